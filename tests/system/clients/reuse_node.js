// SPDX-License-Identifier: Apache-2.0
// reuse_node - COUNT requests one after the other, without an agent.
const http = require('http');
const [port, count] = process.argv.slice(2).map(Number);
function ask(left) {
	if (!left)
		return;
	http.get({ port, host: '127.0.0.1', agent: false }, reply => {
		if (reply.statusCode !== 200)
			process.exit(1);
		reply.resume().on('end', () => ask(left - 1));
	});
}
ask(count);
