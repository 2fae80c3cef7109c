// SPDX-License-Identifier: Apache-2.0
// fill_node - the same as fill_blocking.py, all at once with node's net module
'use strict';
const net = require('net');

const [ip, port, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const failed = {};
let opened = 0, finished = 0;

function one_finished() {
	if (++finished < count)
		return;
	const text = Object.entries(failed).map(([name, n]) => `'${name}': ${n}`).join(', ');
	process.stdout.write(`opened ${opened}, failed {${text}}\n`);
}

for (let i = 0; i < count; i++) {
	const socket = net.connect(port, ip);
	socket.once('connect', () => { opened++; one_finished(); });
	socket.once('error', (why) => { failed[why.code] = (failed[why.code] || 0) + 1; one_finished(); });
}
process.stdin.on('end', () => process.exit(0)).resume();
