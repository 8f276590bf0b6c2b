"""A small expect(1): runs a command on a pseudoterminal.

expect.py ROWSxCOLUMNS COMMAND... <SCRIPT, where SCRIPT is JSON: a list of steps, each a string to type, {"want": regular expression},
{"sleep": seconds} or {"size": [rows, columns]}. Prints what the command printed after the last step that wanted something, up to the
end, and exits as the command did; 99 when something was wanted in vain.
"""
import fcntl, json, os, pty, re, select, signal, struct, sys, termios, time

rows, columns = map(int, sys.argv[1].split("x"))
steps = json.load(sys.stdin)
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b""


def more(until):
    """Reads on; False at the end or when it is too late."""
    global seen
    left = until - time.time()
    if left <= 0 or not select.select([fd], [], [], left)[0]:
        return False
    try:
        data = os.read(fd, 4096)
    except OSError:
        data = b""
    seen += data
    return data != b""


for step in steps:
    if isinstance(step, str):
        time.sleep(0.05)
        os.write(fd, step.encode("latin1"))
    elif "sleep" in step:
        time.sleep(step["sleep"])
    elif "size" in step:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *step["size"], 0, 0))
    else:
        pattern = re.compile(step["want"].encode("latin1"))
        until = time.time() + 15
        while not (m := pattern.search(seen)):
            if not more(until):
                print("in vain: %r, seen: %r" % (step["want"], seen))
                os.kill(pid, signal.SIGKILL)
                sys.exit(99)
        seen = seen[m.end():]
until = time.time() + 15
while more(until):
    pass
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xff)
