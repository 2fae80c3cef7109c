// SPDX-License-Identifier: Apache-2.0
// FillBound - opens connections from a local address to each port in turn until it fails: java.net.Socket's constructor,
// Socket.bind() and connect(), or SocketChannel. The JDK asks for the port right after bind(ip, 0).
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;

public class FillBound {
	static int lied = 0; // the port that was shown is not the connection's

	static Closeable open(String how, InetSocketAddress to, InetAddress from) throws IOException {
		if (how.equals("constructor"))
			return new Socket(to.getAddress(), to.getPort(), from, 0);
		int shown, got;
		Closeable opened;
		if (how.equals("channel")) {
			SocketChannel channel = SocketChannel.open();
			opened = channel;
			try {
				channel.bind(new InetSocketAddress(from, 0));
				shown = ((InetSocketAddress) channel.getLocalAddress()).getPort();
				channel.connect(to);
			} catch (IOException why) {
				channel.close();
				throw why;
			}
			got = ((InetSocketAddress) channel.getLocalAddress()).getPort();
		} else {
			Socket socket = new Socket();
			opened = socket;
			try {
				socket.bind(new InetSocketAddress(from, 0));
				shown = socket.getLocalPort();
				socket.connect(to, how.equals("timeout") ? 20000 : 0);
			} catch (IOException why) {
				socket.close();
				throw why;
			}
			got = socket.getLocalPort();
		}
		if (shown > 0 && shown != got)
			lied++;
		return opened;
	}

	public static void main(String[] arguments) throws IOException {
		InetAddress from = InetAddress.getByName(arguments[1]);
		List<Closeable> held = new ArrayList<>();
		StringBuilder counts = new StringBuilder();
		for (int i = 3; i < arguments.length; i++) {
			InetSocketAddress to = new InetSocketAddress(arguments[2], Integer.parseInt(arguments[i]));
			int before = held.size();
			try {
				for (;;)
					held.add(open(arguments[0], to, from));
			} catch (IOException why) {
				counts.append(held.size() - before).append(' ');
			}
		}
		System.out.println(counts + "opened, " + lied + " from another port than was shown");
		System.out.flush();
		while (System.in.read() >= 0)
			;
	}
}
