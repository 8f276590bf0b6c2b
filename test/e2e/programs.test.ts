/** Real programs print and exit in the sandbox as they do on the host. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type RunOptions, run, sandbox } from "./harness.ts";

/** A command, and how it is run on both sides. */
interface Program {
  readonly argv: readonly string[];
  readonly options?: RunOptions;
  /** Takes what is rightly different out of the output: times, speeds. */
  readonly clean?: (s: string) => string;
  /** Standard error is compared too. */
  readonly stderr?: boolean;
}

const withoutSpeed = (s: string): string => s.replace(/copied, .*/, "copied");
const python =
  "import json,hashlib,sys; print(json.dumps({'v':sys.version_info[:2]}), hashlib.sha256(b'x').hexdigest())";

const threads = `import threading
r=[]
t=[threading.Thread(target=r.append,args=(i,)) for i in range(8)]
[x.start() for x in t]
[x.join() for x in t]
print(sorted(r))`;

const programs: readonly Program[] = [
  { argv: ["/bin/echo", "hello"] },
  { argv: ["/bin/sh", "-c", "exit 42"] },
  { argv: ["/bin/busybox", "cat", "/etc/passwd"] },
  { argv: ["/bin/ls", "-lR", "/etc/apt"] },
  { argv: ["/usr/bin/sha256sum", "/usr/bin/perl"] },
  { argv: ["/usr/bin/perl", "-e", 'print join(",",map{$_*$_}1..10)'] },
  { argv: ["/usr/bin/env", "python3", "-c", python] },
  { argv: ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=200"], clean: withoutSpeed, stderr: true },
  { argv: ["/bin/true"] },
  { argv: ["/bin/false"] },
  { argv: ["/bin/busybox", "true"] },
  { argv: ["/bin/busybox", "seq", "1", "1000"] },
  { argv: ["/bin/cat", "/etc/passwd", "/etc/group"] },
  { argv: ["/bin/cat", "/nonexistent"], stderr: true },
  { argv: ["/bin/ls", "-aF", "/"] },
  { argv: ["/bin/ls", "/usr/share"] },
  { argv: ["/bin/pwd"], options: { cwd: "/usr/share" } },
  { argv: ["/usr/bin/env"], options: { env: { PATH: "/usr/bin:/bin", A: "1", EMPTY: "", LONG: "x".repeat(5000) } } },
  { argv: ["/usr/bin/id"] },
  { argv: ["/usr/bin/stat", "-c", "%n %s %a %u %g %F %h", "/etc/passwd", "/etc", "/usr/bin/perl"] },
  { argv: ["/bin/readlink", "-f", "/bin/sh"] },
  { argv: ["/usr/bin/wc", "/etc/services", "/etc/passwd"] },
  { argv: ["/usr/bin/sort", "-r", "/etc/passwd"] },
  { argv: ["/usr/bin/head", "-c", "100", "/usr/bin/perl"] },
  { argv: ["/usr/bin/find", "/etc/apt", "-type", "f"] },
  { argv: ["/bin/grep", "-c", "root", "/etc/passwd"] },
  { argv: ["/bin/sed", "-n", "s/root/toor/p", "/etc/passwd"] },
  { argv: ["/usr/bin/tr", "a-z", "A-Z"], options: { stdin: "some text\n" } },
  { argv: ["/bin/cat"], options: { stdin: "x".repeat(3_000_000) } },
  { argv: ["/usr/bin/md5sum"], options: { stdin: "y".repeat(1_000_000) } },
  { argv: ["/bin/cat"], options: { stdin: "" } },
  { argv: ["/usr/bin/seq", "1", "100000"] },
  { argv: ["/usr/bin/expr", "6", "*", "7"] },
  { argv: ["/usr/bin/printf", "%s|%5d|%x\\n", "a", "42", "255"] },
  { argv: ["/bin/sleep", "0.05"] },
  { argv: ["/usr/bin/nproc"] },
  {
    argv: [
      "/usr/bin/perl",
      "-e",
      'my $p=fork(); if(!$p){print "child\\n"; exit 3} waitpid($p,0); print "parent ",$?>>8,"\\n"',
    ],
  },
  { argv: ["/usr/bin/perl", "-e", '$SIG{USR1}=sub{print "got\\n"}; kill "USR1",$$; print "end\\n"'] },
  { argv: ["/usr/bin/perl", "-e", 'print 0.1+0.2, " ", 2**0.5, " ", sin(1), "\\n"'] },
  { argv: ["/usr/bin/env", "python3", "-c", "print(sum(i*i for i in range(200000)))"] },
  { argv: ["/usr/bin/env", "python3", "-c", "import sys; sys.exit(7)"] },
  {
    argv: [
      "/usr/bin/env",
      "python3",
      "-c",
      "import subprocess; print(subprocess.run(['echo','hi'],capture_output=True))",
    ],
  },
  { argv: ["/usr/bin/env", "python3", "-c", threads] },
];

const scripts: readonly string[] = [
  "echo one | cat | tr o 0",
  "for i in 1 2 3; do echo $i; done | sort -r",
  "x=$(echo nested $(echo deeper)); echo $x",
  "true && echo yes || echo no",
  "false; echo $?",
  "sh -c 'exit 9'; echo $?",
  "cat <<EOF\nhere $((6*7))\nEOF",
  "echo to-stderr >&2; exit 5",
  "ls /nonexistent-file; echo $?",
  "seq 1 20000 | wc -l",
  "yes | head -n 1000 | md5sum",
  "(exit 3) & wait $!; echo $?",
  "sleep 0.1 & wait; echo done",
  "kill -9 $$",
  "kill -TERM $$",
  "kill -SEGV $$",
  "trap 'echo trapped; exit 4' TERM; kill -TERM $$; sleep 1",
  "sh -c 'kill -9 $$'; echo $?",
  "cd /usr/share && pwd && cd .. && pwd",
  "umask",
  "echo $0 $# ; set -- a b c; echo $# $3",
  "test -r /etc/passwd && test -d /etc && test ! -e /nope && echo ok",
  "exec /bin/echo replaced",
  "echo $PWD",
  "printf 'a\\0b' | od -c",
  "exec 3</etc/passwd; read line <&3; echo $line",
  "f() { echo in-function $1; return 6; }; f x; echo $?",
  "head -c 1000000 /dev/zero | sha256sum",
  "head -c 16 /dev/urandom | wc -c",
  "echo dropped > /dev/null; echo full > /dev/full; echo $?",
  "cat /proc/self/comm",
  "echo $(cat /dev/null)end",
  "mkdir /tmp/runsc-e2e-d && cd /tmp/runsc-e2e-d && echo a > f && mv f g && cat g && cp g h && ls && ln -s g l && cat l && rm -r /tmp/runsc-e2e-d && ls /tmp/runsc-e2e-d",
  "d=/tmp/runsc-e2e-e; mkdir -p $d/a/b/c && touch $d/a/x && find $d | sort && chmod 700 $d/a && stat -c %a $d/a && rm -rf $d",
  "echo 12345 > /tmp/runsc-e2e-t && dd if=/tmp/runsc-e2e-t bs=1 skip=2 count=2 2>/dev/null; truncate -s 3 /tmp/runsc-e2e-t; wc -c < /tmp/runsc-e2e-t; rm /tmp/runsc-e2e-t",
];

/** Namespaces with the tools of util-linux; a line for each. */
const namespaceScripts: readonly string[] = [
  "unshare -Ur id",
  "unshare -Ur cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups",
  "unshare -m sh -c 'mount -t tmpfs x /mnt && touch /mnt/a && ls /mnt'; ls /mnt",
  "unshare -p -f --mount-proc ps ax -o pid=,ppid=,comm= | tr -s ' '",
  "unshare -Urmpf --mount-proc sh -c 'id -u; echo $$; ps ax -o comm='",
  "unshare -i ipcs",
  "unshare -n cat /proc/net/dev",
  "unshare -u sh -c 'hostname inner; hostname'; hostname | grep -c inner",
  "unshare -mu sh -c 'hostname inner; mount -t tmpfs x /mnt; touch /mnt/f; exec sleep 9' & p=$!; until nsenter -t $p -m ls /mnt/f 2>/dev/null; do sleep 0.05; done; nsenter -t $p -m -u sh -c 'hostname; ls /mnt'; ls /mnt; kill $p",
  "lsns -n -p $$ -o TYPE | grep -v time | sort",
  "unshare -m sh -c 'mount --make-rshared / && findmnt -n -o PROPAGATION /'",
  "unshare -Urm sh -c 'mount -t tmpfs x /mnt && mkdir /mnt/old && cd /mnt && pivot_root . old && cd / && echo /* && test -d /old/proc/self && echo yes'",
  "setpriv --reuid 1000 --regid 1000 --clear-groups unshare -Ur sh -c 'id -u; touch /etc/x; cat /etc/shadow; hostname foo; unshare -u hostname foo && echo fine' 2>&1",
  "unshare --user --map-users=0,0,10 --map-groups=0,0,10 sh -c 'cat /proc/self/uid_map; id'",
];

const exists = (p: Program): boolean => existsSync(p.argv[0] ?? "");

describe("programs", () => {
  for (const p of programs) {
    test.skipIf(!exists(p))(p.argv.join(" ").slice(0, 100), () => {
      const clean = p.clean ?? ((s: string) => s);
      const want = run(p.argv, p.options);
      const got = sandbox(p.argv, p.options);
      if (p.stderr === true || got.code !== want.code) expect(clean(got.stderr)).toBe(clean(want.stderr));
      expect(clean(got.stdout)).toBe(clean(want.stdout));
      expect(got.code).toBe(want.code);
    });
  }
});

describe("namespaces", () => {
  for (const s of namespaceScripts) {
    test.skipIf(!existsSync("/usr/bin/unshare"))(s.slice(0, 100), () => {
      const want = run(["/bin/sh", "-c", s], { stdin: "" });
      const got = sandbox(["/bin/sh", "-c", s], { stdin: "" });
      if (got.code !== want.code) expect(got.stderr).toBe(want.stderr);
      expect(got.stdout).toBe(want.stdout);
      expect(got.code).toBe(want.code);
    });
  }
});

describe("scripts", () => {
  for (const sh of ["/bin/sh", "/bin/bash"]) {
    for (const s of scripts) {
      test.skipIf(!existsSync(sh))(`${sh} -c ${s.slice(0, 80)}`, () => {
        const want = run([sh, "-c", s]);
        const got = sandbox([sh, "-c", s]);
        if (got.code !== want.code) expect(got.stderr).toBe(want.stderr);
        expect(got.stdout).toBe(want.stdout);
        expect(got.code).toBe(want.code);
      });
    }
  }
});
