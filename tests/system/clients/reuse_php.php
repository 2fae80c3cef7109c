<?php
// SPDX-License-Identifier: Apache-2.0
// reuse_php - COUNT requests: `redis` by a stream, as clients without an extension do; `curl` by that extension, whose
// handle goes after each; `http` by a stream, which asks the server to close.
[, $how, $port, $count] = $argv;
$context = stream_context_create(["http" => ["protocol_version" => 1.1]]);

function by_redis($port) {
	$stream = stream_socket_client("tcp://127.0.0.1:$port", $code, $text, 20);
	fwrite($stream, "*1\r\n$4\r\nPING\r\n");
	$reply = fgets($stream);
	fclose($stream);
	return $reply == "+PONG\r\n";
}

function by_curl($port) {
	$handle = curl_init("http://127.0.0.1:$port/");
	curl_setopt($handle, CURLOPT_RETURNTRANSFER, true);
	curl_setopt($handle, CURLOPT_TIMEOUT, 20);
	return curl_exec($handle) === "ok\n";
}

if ($how == "curl" && !function_exists("curl_init"))
	exit(77);
for ($i = 0; $i < $count; $i++) {
	$good = match ($how) {
		"redis" => by_redis($port),
		"curl" => by_curl($port),
		"http" => file_get_contents("http://127.0.0.1:$port/", false, $context) === "ok\n",
	};
	if (!$good)
		exit(1);
}
