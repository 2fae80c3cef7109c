// SPDX-License-Identifier: Apache-2.0
// ReuseUrl - COUNT requests by HttpURLConnection, each told to disconnect when its reply was read.
import java.net.HttpURLConnection;
import java.net.URL;

public class ReuseUrl {
	public static void main(String[] arguments) throws Exception {
		URL url = new URL("http://127.0.0.1:" + arguments[0] + "/");
		for (int left = Integer.parseInt(arguments[1]); left > 0; left--) {
			HttpURLConnection connection = (HttpURLConnection) url.openConnection();
			connection.setReadTimeout(20000);
			if (!new String(connection.getInputStream().readAllBytes()).equals("ok\n"))
				System.exit(1);
			connection.disconnect();
		}
	}
}
