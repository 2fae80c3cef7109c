// SPDX-License-Identifier: Apache-2.0
// FillSockets - the same as fill_blocking.py, alternately with java.net.Socket and SocketChannel
import java.io.Closeable;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

public class FillSockets {
	static Closeable open(String how, InetSocketAddress to) throws IOException {
		if (how.equals("channel"))
			return SocketChannel.open(to);
		Socket socket = new Socket();
		socket.connect(to, how.equals("timeout") ? 20000 : 0);
		return socket;
	}

	public static void main(String[] arguments) throws IOException {
		InetSocketAddress to = new InetSocketAddress(arguments[1], Integer.parseInt(arguments[2]));
		List<Closeable> held = new ArrayList<>();
		Map<String, Integer> failed = new TreeMap<>();
		for (int i = 0; i < Integer.parseInt(arguments[3]); i++) {
			try {
				held.add(open(arguments[0], to));
			} catch (IOException why) {
				String text = why.getMessage().contains("Cannot assign requested address")
					? "'EADDRNOTAVAIL'" : "'" + why.getMessage() + "'";
				failed.merge(text, 1, Integer::sum);
			}
		}
		System.out.println("opened " + held.size() + ", failed " + failed.toString().replace("=", ": "));
		System.out.flush();
		while (System.in.read() >= 0)
			;
	}
}
