/**
 * Package linuxerr holds the preallocated error objects that kernel code throws.
 *
 * Throw them by name (`throw linuxerr.EINVAL`); they are caught once, at system call dispatch. An error that is
 * part of normal operation (would-block, a missing name in a path walk, a time-out, EINTR) is not thrown: it is a
 * negative errno as the return value. The objects are immutable and carry no stack, so throwing one is cheap.
 */
import * as errno from "../../abi/linux/errno.ts";

/** An error with a Linux errno, the only kind of throw that is not a sentry bug. */
export class LinuxError {
  /** The positive errno, e.g. 22. */
  readonly errno: number;
  /** The symbolic name, e.g. "EINVAL". */
  readonly name: string;

  constructor(errnum: number, name: string) {
    this.errno = errnum;
    this.name = name;
    Object.freeze(this);
  }

  /** The symbolic name, for logs. */
  toString(): string {
    return this.name;
  }
}

export const EPERM = new LinuxError(errno.EPERM, "EPERM");
export const ENOENT = new LinuxError(errno.ENOENT, "ENOENT");
export const ESRCH = new LinuxError(errno.ESRCH, "ESRCH");
export const EINTR = new LinuxError(errno.EINTR, "EINTR");
export const EIO = new LinuxError(errno.EIO, "EIO");
export const ENXIO = new LinuxError(errno.ENXIO, "ENXIO");
export const E2BIG = new LinuxError(errno.E2BIG, "E2BIG");
export const ENOEXEC = new LinuxError(errno.ENOEXEC, "ENOEXEC");
export const EBADF = new LinuxError(errno.EBADF, "EBADF");
export const ECHILD = new LinuxError(errno.ECHILD, "ECHILD");
export const EAGAIN = new LinuxError(errno.EAGAIN, "EAGAIN");
export const ENOMEM = new LinuxError(errno.ENOMEM, "ENOMEM");
export const EACCES = new LinuxError(errno.EACCES, "EACCES");
export const EFAULT = new LinuxError(errno.EFAULT, "EFAULT");
export const ENOTBLK = new LinuxError(errno.ENOTBLK, "ENOTBLK");
export const EBUSY = new LinuxError(errno.EBUSY, "EBUSY");
export const EEXIST = new LinuxError(errno.EEXIST, "EEXIST");
export const EXDEV = new LinuxError(errno.EXDEV, "EXDEV");
export const ENODEV = new LinuxError(errno.ENODEV, "ENODEV");
export const ENOTDIR = new LinuxError(errno.ENOTDIR, "ENOTDIR");
export const EISDIR = new LinuxError(errno.EISDIR, "EISDIR");
export const EINVAL = new LinuxError(errno.EINVAL, "EINVAL");
export const ENFILE = new LinuxError(errno.ENFILE, "ENFILE");
export const EMFILE = new LinuxError(errno.EMFILE, "EMFILE");
export const ENOTTY = new LinuxError(errno.ENOTTY, "ENOTTY");
export const ETXTBSY = new LinuxError(errno.ETXTBSY, "ETXTBSY");
export const EFBIG = new LinuxError(errno.EFBIG, "EFBIG");
export const ENOSPC = new LinuxError(errno.ENOSPC, "ENOSPC");
export const ESPIPE = new LinuxError(errno.ESPIPE, "ESPIPE");
export const EROFS = new LinuxError(errno.EROFS, "EROFS");
export const EMLINK = new LinuxError(errno.EMLINK, "EMLINK");
export const EPIPE = new LinuxError(errno.EPIPE, "EPIPE");
export const EDOM = new LinuxError(errno.EDOM, "EDOM");
export const ERANGE = new LinuxError(errno.ERANGE, "ERANGE");
export const EDEADLK = new LinuxError(errno.EDEADLK, "EDEADLK");
export const ENAMETOOLONG = new LinuxError(errno.ENAMETOOLONG, "ENAMETOOLONG");
export const ENOLCK = new LinuxError(errno.ENOLCK, "ENOLCK");
export const ENOSYS = new LinuxError(errno.ENOSYS, "ENOSYS");
export const ENOTEMPTY = new LinuxError(errno.ENOTEMPTY, "ENOTEMPTY");
export const ELOOP = new LinuxError(errno.ELOOP, "ELOOP");
export const ENOMSG = new LinuxError(errno.ENOMSG, "ENOMSG");
export const EIDRM = new LinuxError(errno.EIDRM, "EIDRM");
export const ECHRNG = new LinuxError(errno.ECHRNG, "ECHRNG");
export const EL2NSYNC = new LinuxError(errno.EL2NSYNC, "EL2NSYNC");
export const EL3HLT = new LinuxError(errno.EL3HLT, "EL3HLT");
export const EL3RST = new LinuxError(errno.EL3RST, "EL3RST");
export const ELNRNG = new LinuxError(errno.ELNRNG, "ELNRNG");
export const EUNATCH = new LinuxError(errno.EUNATCH, "EUNATCH");
export const ENOCSI = new LinuxError(errno.ENOCSI, "ENOCSI");
export const EL2HLT = new LinuxError(errno.EL2HLT, "EL2HLT");
export const EBADE = new LinuxError(errno.EBADE, "EBADE");
export const EBADR = new LinuxError(errno.EBADR, "EBADR");
export const EXFULL = new LinuxError(errno.EXFULL, "EXFULL");
export const ENOANO = new LinuxError(errno.ENOANO, "ENOANO");
export const EBADRQC = new LinuxError(errno.EBADRQC, "EBADRQC");
export const EBADSLT = new LinuxError(errno.EBADSLT, "EBADSLT");
export const EBFONT = new LinuxError(errno.EBFONT, "EBFONT");
export const ENOSTR = new LinuxError(errno.ENOSTR, "ENOSTR");
export const ENODATA = new LinuxError(errno.ENODATA, "ENODATA");
export const ETIME = new LinuxError(errno.ETIME, "ETIME");
export const ENOSR = new LinuxError(errno.ENOSR, "ENOSR");
export const ENONET = new LinuxError(errno.ENONET, "ENONET");
export const ENOPKG = new LinuxError(errno.ENOPKG, "ENOPKG");
export const EREMOTE = new LinuxError(errno.EREMOTE, "EREMOTE");
export const ENOLINK = new LinuxError(errno.ENOLINK, "ENOLINK");
export const EADV = new LinuxError(errno.EADV, "EADV");
export const ESRMNT = new LinuxError(errno.ESRMNT, "ESRMNT");
export const ECOMM = new LinuxError(errno.ECOMM, "ECOMM");
export const EPROTO = new LinuxError(errno.EPROTO, "EPROTO");
export const EMULTIHOP = new LinuxError(errno.EMULTIHOP, "EMULTIHOP");
export const EDOTDOT = new LinuxError(errno.EDOTDOT, "EDOTDOT");
export const EBADMSG = new LinuxError(errno.EBADMSG, "EBADMSG");
export const EOVERFLOW = new LinuxError(errno.EOVERFLOW, "EOVERFLOW");
export const ENOTUNIQ = new LinuxError(errno.ENOTUNIQ, "ENOTUNIQ");
export const EBADFD = new LinuxError(errno.EBADFD, "EBADFD");
export const EREMCHG = new LinuxError(errno.EREMCHG, "EREMCHG");
export const ELIBACC = new LinuxError(errno.ELIBACC, "ELIBACC");
export const ELIBBAD = new LinuxError(errno.ELIBBAD, "ELIBBAD");
export const ELIBSCN = new LinuxError(errno.ELIBSCN, "ELIBSCN");
export const ELIBMAX = new LinuxError(errno.ELIBMAX, "ELIBMAX");
export const ELIBEXEC = new LinuxError(errno.ELIBEXEC, "ELIBEXEC");
export const EILSEQ = new LinuxError(errno.EILSEQ, "EILSEQ");
export const ERESTART = new LinuxError(errno.ERESTART, "ERESTART");
export const ESTRPIPE = new LinuxError(errno.ESTRPIPE, "ESTRPIPE");
export const EUSERS = new LinuxError(errno.EUSERS, "EUSERS");
export const ENOTSOCK = new LinuxError(errno.ENOTSOCK, "ENOTSOCK");
export const EDESTADDRREQ = new LinuxError(errno.EDESTADDRREQ, "EDESTADDRREQ");
export const EMSGSIZE = new LinuxError(errno.EMSGSIZE, "EMSGSIZE");
export const EPROTOTYPE = new LinuxError(errno.EPROTOTYPE, "EPROTOTYPE");
export const ENOPROTOOPT = new LinuxError(errno.ENOPROTOOPT, "ENOPROTOOPT");
export const EPROTONOSUPPORT = new LinuxError(errno.EPROTONOSUPPORT, "EPROTONOSUPPORT");
export const ESOCKTNOSUPPORT = new LinuxError(errno.ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT");
export const EOPNOTSUPP = new LinuxError(errno.EOPNOTSUPP, "EOPNOTSUPP");
export const EPFNOSUPPORT = new LinuxError(errno.EPFNOSUPPORT, "EPFNOSUPPORT");
export const EAFNOSUPPORT = new LinuxError(errno.EAFNOSUPPORT, "EAFNOSUPPORT");
export const EADDRINUSE = new LinuxError(errno.EADDRINUSE, "EADDRINUSE");
export const EADDRNOTAVAIL = new LinuxError(errno.EADDRNOTAVAIL, "EADDRNOTAVAIL");
export const ENETDOWN = new LinuxError(errno.ENETDOWN, "ENETDOWN");
export const ENETUNREACH = new LinuxError(errno.ENETUNREACH, "ENETUNREACH");
export const ENETRESET = new LinuxError(errno.ENETRESET, "ENETRESET");
export const ECONNABORTED = new LinuxError(errno.ECONNABORTED, "ECONNABORTED");
export const ECONNRESET = new LinuxError(errno.ECONNRESET, "ECONNRESET");
export const ENOBUFS = new LinuxError(errno.ENOBUFS, "ENOBUFS");
export const EISCONN = new LinuxError(errno.EISCONN, "EISCONN");
export const ENOTCONN = new LinuxError(errno.ENOTCONN, "ENOTCONN");
export const ESHUTDOWN = new LinuxError(errno.ESHUTDOWN, "ESHUTDOWN");
export const ETOOMANYREFS = new LinuxError(errno.ETOOMANYREFS, "ETOOMANYREFS");
export const ETIMEDOUT = new LinuxError(errno.ETIMEDOUT, "ETIMEDOUT");
export const ECONNREFUSED = new LinuxError(errno.ECONNREFUSED, "ECONNREFUSED");
export const EHOSTDOWN = new LinuxError(errno.EHOSTDOWN, "EHOSTDOWN");
export const EHOSTUNREACH = new LinuxError(errno.EHOSTUNREACH, "EHOSTUNREACH");
export const EALREADY = new LinuxError(errno.EALREADY, "EALREADY");
export const EINPROGRESS = new LinuxError(errno.EINPROGRESS, "EINPROGRESS");
export const ESTALE = new LinuxError(errno.ESTALE, "ESTALE");
export const EUCLEAN = new LinuxError(errno.EUCLEAN, "EUCLEAN");
export const ENOTNAM = new LinuxError(errno.ENOTNAM, "ENOTNAM");
export const ENAVAIL = new LinuxError(errno.ENAVAIL, "ENAVAIL");
export const EISNAM = new LinuxError(errno.EISNAM, "EISNAM");
export const EREMOTEIO = new LinuxError(errno.EREMOTEIO, "EREMOTEIO");
export const EDQUOT = new LinuxError(errno.EDQUOT, "EDQUOT");
export const ENOMEDIUM = new LinuxError(errno.ENOMEDIUM, "ENOMEDIUM");
export const EMEDIUMTYPE = new LinuxError(errno.EMEDIUMTYPE, "EMEDIUMTYPE");
export const ECANCELED = new LinuxError(errno.ECANCELED, "ECANCELED");
export const ENOKEY = new LinuxError(errno.ENOKEY, "ENOKEY");
export const EKEYEXPIRED = new LinuxError(errno.EKEYEXPIRED, "EKEYEXPIRED");
export const EKEYREVOKED = new LinuxError(errno.EKEYREVOKED, "EKEYREVOKED");
export const EKEYREJECTED = new LinuxError(errno.EKEYREJECTED, "EKEYREJECTED");
export const EOWNERDEAD = new LinuxError(errno.EOWNERDEAD, "EOWNERDEAD");
export const ENOTRECOVERABLE = new LinuxError(errno.ENOTRECOVERABLE, "ENOTRECOVERABLE");
export const ERFKILL = new LinuxError(errno.ERFKILL, "ERFKILL");
export const EHWPOISON = new LinuxError(errno.EHWPOISON, "EHWPOISON");
export const EDEADLOCK = EDEADLK;
export const ENOTSUP = EOPNOTSUPP;
export const EWOULDBLOCK = EAGAIN;
export const ERESTARTSYS = new LinuxError(errno.ERESTARTSYS, "ERESTARTSYS");
export const ERESTARTNOINTR = new LinuxError(errno.ERESTARTNOINTR, "ERESTARTNOINTR");
export const ERESTARTNOHAND = new LinuxError(errno.ERESTARTNOHAND, "ERESTARTNOHAND");
export const ERESTART_RESTARTBLOCK = new LinuxError(errno.ERESTART_RESTARTBLOCK, "ERESTART_RESTARTBLOCK");

const byNumber: readonly LinuxError[] = [
  EPERM,
  ENOENT,
  ESRCH,
  EINTR,
  EIO,
  ENXIO,
  E2BIG,
  ENOEXEC,
  EBADF,
  ECHILD,
  EAGAIN,
  ENOMEM,
  EACCES,
  EFAULT,
  ENOTBLK,
  EBUSY,
  EEXIST,
  EXDEV,
  ENODEV,
  ENOTDIR,
  EISDIR,
  EINVAL,
  ENFILE,
  EMFILE,
  ENOTTY,
  ETXTBSY,
  EFBIG,
  ENOSPC,
  ESPIPE,
  EROFS,
  EMLINK,
  EPIPE,
  EDOM,
  ERANGE,
  EDEADLK,
  ENAMETOOLONG,
  ENOLCK,
  ENOSYS,
  ENOTEMPTY,
  ELOOP,
  ENOMSG,
  EIDRM,
  ECHRNG,
  EL2NSYNC,
  EL3HLT,
  EL3RST,
  ELNRNG,
  EUNATCH,
  ENOCSI,
  EL2HLT,
  EBADE,
  EBADR,
  EXFULL,
  ENOANO,
  EBADRQC,
  EBADSLT,
  EBFONT,
  ENOSTR,
  ENODATA,
  ETIME,
  ENOSR,
  ENONET,
  ENOPKG,
  EREMOTE,
  ENOLINK,
  EADV,
  ESRMNT,
  ECOMM,
  EPROTO,
  EMULTIHOP,
  EDOTDOT,
  EBADMSG,
  EOVERFLOW,
  ENOTUNIQ,
  EBADFD,
  EREMCHG,
  ELIBACC,
  ELIBBAD,
  ELIBSCN,
  ELIBMAX,
  ELIBEXEC,
  EILSEQ,
  ERESTART,
  ESTRPIPE,
  EUSERS,
  ENOTSOCK,
  EDESTADDRREQ,
  EMSGSIZE,
  EPROTOTYPE,
  ENOPROTOOPT,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
  EOPNOTSUPP,
  EPFNOSUPPORT,
  EAFNOSUPPORT,
  EADDRINUSE,
  EADDRNOTAVAIL,
  ENETDOWN,
  ENETUNREACH,
  ENETRESET,
  ECONNABORTED,
  ECONNRESET,
  ENOBUFS,
  EISCONN,
  ENOTCONN,
  ESHUTDOWN,
  ETOOMANYREFS,
  ETIMEDOUT,
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EALREADY,
  EINPROGRESS,
  ESTALE,
  EUCLEAN,
  ENOTNAM,
  ENAVAIL,
  EISNAM,
  EREMOTEIO,
  EDQUOT,
  ENOMEDIUM,
  EMEDIUMTYPE,
  ECANCELED,
  ENOKEY,
  EKEYEXPIRED,
  EKEYREVOKED,
  EKEYREJECTED,
  EOWNERDEAD,
  ENOTRECOVERABLE,
  ERFKILL,
  EHWPOISON,
  ERESTARTSYS,
  ERESTARTNOINTR,
  ERESTARTNOHAND,
  ERESTART_RESTARTBLOCK,
];

const table: readonly (LinuxError | undefined)[] = byNumber.reduce<(LinuxError | undefined)[]>((t, e) => {
  t[e.errno] = e;
  return t;
}, []);

/** The preallocated error for a positive errno; EIO for a number Linux does not define. */
export function fromErrno(errnum: number): LinuxError {
  return table[errnum] ?? EIO;
}

/** The symbolic name of a positive errno ("EINVAL"), or the number as text. */
export function nameOf(errnum: number): string {
  return table[errnum]?.name ?? String(errnum);
}
