"""Cameras in the network, for tests: an RTSP server that is a program of its own, and an HTTP server that plays a script."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time

from harness import BIN, Failed


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class RtspCamera:
    """An RTSP server that can be killed, stalled and started again on the same port."""

    def __init__(self, p, fps=25, size=(320, 240), password=None):
        self.p, self.fps, self.size, self.password = p, fps, size, password
        self.port = free_port()
        self.process = None
        self.first = 0

    def start(self):
        """Each start counts on from a number that no earlier one reached."""
        self.first += 100000
        env = dict(os.environ, GST_REGISTRY=os.path.join(BIN, os.pardir, "gstreamer.registry"))
        args = [str(n) for n in (self.port, *self.size, self.fps, self.first)]
        self.process = subprocess.Popen([os.path.join(BIN, "rtsp-server"), *args,
                                         *([self.password] if self.password else [])],
                                        env=env, stdout=subprocess.PIPE, text=True)
        if not self.process.stdout.readline().startswith("ready"):
            raise Failed("the RTSP camera does not start")
        return self

    def url(self, user=""):
        return "rtsp://%s127.0.0.1:%d/live" % (user and user + "@", self.port)

    def stall(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    __enter__ = start

    def __exit__(self, *_):
        self.kill()


def jpegs(width, height, first, count):
    """JPEGs that show the numbers first, first + 1, …"""
    raw = subprocess.run([os.path.join(BIN, "numbered-jpegs"), str(width), str(height), str(first), str(count)],
                         capture_output=True, check=True).stdout
    found, at = [], 0
    while at < len(raw):
        length, = struct.unpack_from("<I", raw, at)
        found.append(raw[at + 4:at + 4 + length])
        at += 4 + length
    return found


class HttpCamera:
    """Plays one step of `script` a connection, the last one for ever: each a function of a Viewer."""

    def __init__(self, *script):
        self.script, self.connections = script, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.closing = threading.Event()
        self.requests = []
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def url(self, user="", query=""):
        return "http://%s127.0.0.1:%d/video%s" % (user and user + "@", self.port, query)

    def serve(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            step = self.script[min(self.connections, len(self.script) - 1)]
            self.connections += 1
            threading.Thread(target=self.play, args=(step, connection), daemon=True).start()

    def play(self, step, connection):
        with connection:
            try:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(4096) or b"\r\n\r\n"
                self.requests.append(request.decode(errors="replace"))
                step(Viewer(self, connection))
            except OSError:
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Viewer:
    """One connection, from the camera's side."""

    def __init__(self, camera, connection):
        self.camera, self.connection = camera, connection

    def begin(self):
        self.send(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")

    def send(self, data):
        self.connection.sendall(data)

    def picture(self, jpeg, fps=50):
        self.send(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg))
        time.sleep(1 / fps)

    def pictures(self, all_of_them):
        for jpeg in all_of_them:
            self.picture(jpeg)

    def silence(self):
        """Until the viewer has had enough."""
        self.connection.recv(1)
