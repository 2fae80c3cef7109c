// SPDX-License-Identifier: Apache-2.0
// reuse_server - PORT MS: what clients/reuse_load.py asks, with a keepAliveTimeout of MS; PORT net: lines, with no
// handler for errors, as many are written: a reset ends it.
const port = +process.argv[2];
if (process.argv[3] === 'net') {
	require('net').createServer(socket => {
		socket.on('data', () => socket.write('+PONG\r\n'));
		socket.on('end', () => socket.end());
	}).listen(port, '127.0.0.1', 1024);
} else {
	const server = require('http').createServer((request, response) => {
		request.resume();
		request.on('end', () => {
			const content = (request.method === 'POST' ? 'posted ' : '') + request.url;
			if (request.url.startsWith('/204'))
				response.statusCode = 204;
			else
				response.setHeader('Content-Length', content.length);
			response.end(content);
		});
	});
	server.keepAliveTimeout = +process.argv[3];
	server.listen(port, '127.0.0.1', 1024);
}
