// Written by generate.ts: run it after adding a class with a stateType.
import type { StateClass } from "../../state/index.ts";
import * as waiterIndex from "../../waiter/index.ts";
import * as archSignalInfo from "../arch/signal_info.ts";
import * as fsimplDevDev from "../fsimpl/dev/dev.ts";
import * as fsimplDevMem from "../fsimpl/dev/mem.ts";
import * as fsimplDevTty from "../fsimpl/dev/tty.ts";
import * as fsimplDevptsDevpts from "../fsimpl/devpts/devpts.ts";
import * as fsimplDevptsLineDiscipline from "../fsimpl/devpts/line_discipline.ts";
import * as fsimplDevptsMaster from "../fsimpl/devpts/master.ts";
import * as fsimplDevptsOutput from "../fsimpl/devpts/output.ts";
import * as fsimplDevptsQueue from "../fsimpl/devpts/queue.ts";
import * as fsimplDevptsReplica from "../fsimpl/devpts/replica.ts";
import * as fsimplDevptsTerminal from "../fsimpl/devpts/terminal.ts";
import * as fsimplDevptsTermios from "../fsimpl/devpts/termios.ts";
import * as fsimplEventfdEventfd from "../fsimpl/eventfd/eventfd.ts";
import * as fsimplGoferDescriptorCache from "../fsimpl/gofer/descriptor_cache.ts";
import * as fsimplGoferDirectory from "../fsimpl/gofer/directory.ts";
import * as fsimplGoferDirectoryFd from "../fsimpl/gofer/directory_fd.ts";
import * as fsimplGoferGofer from "../fsimpl/gofer/gofer.ts";
import * as fsimplGoferInode from "../fsimpl/gofer/inode.ts";
import * as fsimplGoferOwnDescriptor from "../fsimpl/gofer/own_descriptor.ts";
import * as fsimplGoferRegularFile from "../fsimpl/gofer/regular_file.ts";
import * as fsimplGoferRegularFileFd from "../fsimpl/gofer/regular_file_fd.ts";
import * as fsimplGoferSpecialFile from "../fsimpl/gofer/special_file.ts";
import * as fsimplHostFileDescription from "../fsimpl/host/file_description.ts";
import * as fsimplHostHost from "../fsimpl/host/host.ts";
import * as fsimplHostInode from "../fsimpl/host/inode.ts";
import * as fsimplHostTty from "../fsimpl/host/tty.ts";
import * as fsimplKernfsDirectory from "../fsimpl/kernfs/directory.ts";
import * as fsimplKernfsFile from "../fsimpl/kernfs/file.ts";
import * as fsimplKernfsSymlink from "../fsimpl/kernfs/symlink.ts";
import * as fsimplNsfsNsfs from "../fsimpl/nsfs/nsfs.ts";
import * as fsimplOverlayCopyUp from "../fsimpl/overlay/copy_up.ts";
import * as fsimplOverlayDirectory from "../fsimpl/overlay/directory.ts";
import * as fsimplOverlayDirectoryFd from "../fsimpl/overlay/directory_fd.ts";
import * as fsimplOverlayInode from "../fsimpl/overlay/inode.ts";
import * as fsimplOverlayOverlay from "../fsimpl/overlay/overlay.ts";
import * as fsimplOverlayRegularFile from "../fsimpl/overlay/regular_file.ts";
import * as fsimplOverlayRegularFileFd from "../fsimpl/overlay/regular_file_fd.ts";
import * as fsimplPipefsPipe from "../fsimpl/pipefs/pipe.ts";
import * as fsimplPipefsPipeFd from "../fsimpl/pipefs/pipe_fd.ts";
import * as fsimplPipefsPipefs from "../fsimpl/pipefs/pipefs.ts";
import * as fsimplProcFilesystem from "../fsimpl/proc/filesystem.ts";
import * as fsimplProcIdMap from "../fsimpl/proc/id_map.ts";
import * as fsimplProcNet from "../fsimpl/proc/net.ts";
import * as fsimplProcRoot from "../fsimpl/proc/root.ts";
import * as fsimplProcSysctl from "../fsimpl/proc/sysctl.ts";
import * as fsimplProcSystemText from "../fsimpl/proc/system_text.ts";
import * as fsimplProcTaskDir from "../fsimpl/proc/task_dir.ts";
import * as fsimplProcTaskFd from "../fsimpl/proc/task_fd.ts";
import * as fsimplProcTaskLink from "../fsimpl/proc/task_link.ts";
import * as fsimplProcTaskMem from "../fsimpl/proc/task_mem.ts";
import * as fsimplProcTaskText from "../fsimpl/proc/task_text.ts";
import * as fsimplSockfsSockfs from "../fsimpl/sockfs/sockfs.ts";
import * as fsimplSysSys from "../fsimpl/sys/sys.ts";
import * as fsimplTimerfdTimerfd from "../fsimpl/timerfd/timerfd.ts";
import * as fsimplTmpfsDirectory from "../fsimpl/tmpfs/directory.ts";
import * as fsimplTmpfsRegularFile from "../fsimpl/tmpfs/regular_file.ts";
import * as fsimplTmpfsSpecialFile from "../fsimpl/tmpfs/special_file.ts";
import * as fsimplTmpfsTmpfs from "../fsimpl/tmpfs/tmpfs.ts";
import * as fsutilHostFile from "../fsutil/host_file.ts";
import * as fsutilHostIo from "../fsutil/host_io.ts";
import * as iopoolIoPool from "../iopool/io_pool.ts";
import * as kernelAuthCapabilitySet from "../kernel/auth/capability_set.ts";
import * as kernelAuthCredentials from "../kernel/auth/credentials.ts";
import * as kernelAuthUserNamespace from "../kernel/auth/user_namespace.ts";
import * as kernelCgroupNamespace from "../kernel/cgroup_namespace.ts";
import * as kernelCpuAccounting from "../kernel/cpu_accounting.ts";
import * as kernelFdTable from "../kernel/fd_table.ts";
import * as kernelFsContext from "../kernel/fs_context.ts";
import * as kernelFutexFutex from "../kernel/futex/futex.ts";
import * as kernelFutexWaiter from "../kernel/futex/waiter.ts";
import * as kernelIpcObject from "../kernel/ipc/object.ts";
import * as kernelIpcRegistry from "../kernel/ipc/registry.ts";
import * as kernelIpcUsage from "../kernel/ipc/usage.ts";
import * as kernelIpcNamespace from "../kernel/ipc_namespace.ts";
import * as kernelKernel from "../kernel/kernel.ts";
import * as kernelLoadAverage from "../kernel/load_average.ts";
import * as kernelMsgqueueQueue from "../kernel/msgqueue/queue.ts";
import * as kernelMsgqueueRegistry from "../kernel/msgqueue/registry.ts";
import * as kernelPendingSignals from "../kernel/pending_signals.ts";
import * as kernelPidNamespace from "../kernel/pid_namespace.ts";
import * as kernelPidRef from "../kernel/pid_ref.ts";
import * as kernelPidfd from "../kernel/pidfd.ts";
import * as kernelPosixTimer from "../kernel/posix_timer.ts";
import * as kernelProcessTimers from "../kernel/process_timers.ts";
import * as kernelPtrace from "../kernel/ptrace.ts";
import * as kernelRunQueue from "../kernel/run_queue.ts";
import * as kernelSave from "../kernel/save.ts";
import * as kernelSeccomp from "../kernel/seccomp.ts";
import * as kernelSemaphoreRegistry from "../kernel/semaphore/registry.ts";
import * as kernelSemaphoreSet from "../kernel/semaphore/set.ts";
import * as kernelSemaphoreUndo from "../kernel/semaphore/undo.ts";
import * as kernelSessions from "../kernel/sessions.ts";
import * as kernelShmAttachment from "../kernel/shm/attachment.ts";
import * as kernelShmRegistry from "../kernel/shm/registry.ts";
import * as kernelShmSegment from "../kernel/shm/segment.ts";
import * as kernelSignalHandlers from "../kernel/signal_handlers.ts";
import * as kernelSignalQuota from "../kernel/signal_quota.ts";
import * as kernelSignalfd from "../kernel/signalfd.ts";
import * as kernelStringTable from "../kernel/string_table.ts";
import * as kernelSyscallScratch from "../kernel/syscall_scratch.ts";
import * as kernelTask from "../kernel/task.ts";
import * as kernelTaskExec from "../kernel/task_exec.ts";
import * as kernelTaskSet from "../kernel/task_set.ts";
import * as kernelTaskSyscall from "../kernel/task_syscall.ts";
import * as kernelThreadGroup from "../kernel/thread_group.ts";
import * as kernelUtsNamespace from "../kernel/uts_namespace.ts";
import * as limitsLimits from "../limits/limits.ts";
import * as loaderElf from "../loader/elf.ts";
import * as loaderFeatures from "../loader/features.ts";
import * as memmapFileIds from "../memmap/file_ids.ts";
import * as memmapMappingSet from "../memmap/mapping_set.ts";
import * as memmapSegmentSet from "../memmap/segment_set.ts";
import * as mmAnonMappable from "../mm/anon_mappable.ts";
import * as mmForcedIo from "../mm/forced_io.ts";
import * as mmHotPages from "../mm/hot_pages.ts";
import * as mmMemoryManager from "../mm/memory_manager.ts";
import * as mmPma from "../mm/pma.ts";
import * as mmVma from "../mm/vma.ts";
import * as pgallocMemoryFile from "../pgalloc/memory_file.ts";
import * as socketBufferPool from "../socket/buffer_pool.ts";
import * as socketControlRights from "../socket/control/rights.ts";
import * as socketMessage from "../socket/message.ts";
import * as socketNamespace from "../socket/namespace.ts";
import * as socketOptions from "../socket/options.ts";
import * as socketSocket from "../socket/socket.ts";
import * as socketSystem from "../socket/system.ts";
import * as socketUnixProvider from "../socket/unix/provider.ts";
import * as socketUnixTransportAddress from "../socket/unix/transport/address.ts";
import * as socketUnixTransportEndpoint from "../socket/unix/transport/endpoint.ts";
import * as socketUnixTransportGarbage from "../socket/unix/transport/garbage.ts";
import * as socketUnixTransportNameTable from "../socket/unix/transport/name_table.ts";
import * as socketUnixTransportPacket from "../socket/unix/transport/packet.ts";
import * as socketUnixUnix from "../socket/unix/unix.ts";
import * as syscallsLinuxFileOwner from "../syscalls/linux/file_owner.ts";
import * as syscallsLinuxSysFutex from "../syscalls/linux/sys_futex.ts";
import * as syscallsLinuxSysPoll from "../syscalls/linux/sys_poll.ts";
import * as syscallsLinuxSysTime from "../syscalls/linux/sys_time.ts";
import * as timeClockAlarm from "../time/clock_alarm.ts";
import * as timeCpuAlarm from "../time/cpu_alarm.ts";
import * as timeTimekeeper from "../time/timekeeper.ts";
import * as timeTimerQueue from "../time/timer_queue.ts";
import * as usermemBytesIo from "../usermem/bytes_io.ts";
import * as usermemIoSequence from "../usermem/io_sequence.ts";
import * as vfsAnonFs from "../vfs/anon_fs.ts";
import * as vfsDentry from "../vfs/dentry.ts";
import * as vfsDirectory from "../vfs/directory.ts";
import * as vfsEpoll from "../vfs/epoll.ts";
import * as vfsFileDescription from "../vfs/file_description.ts";
import * as vfsHostCopy from "../vfs/host_copy.ts";
import * as vfsInotify from "../vfs/inotify.ts";
import * as vfsInotifyFd from "../vfs/inotify_fd.ts";
import * as vfsKnownPath from "../vfs/known_path.ts";
import * as vfsLock from "../vfs/lock.ts";
import * as vfsMissingNames from "../vfs/missing_names.ts";
import * as vfsMount from "../vfs/mount.ts";
import * as vfsMountNamespace from "../vfs/mount_namespace.ts";
import * as vfsMountPropagation from "../vfs/mount_propagation.ts";
import * as vfsNameCache from "../vfs/name_cache.ts";
import * as vfsOpath from "../vfs/opath.ts";
import * as vfsOptions from "../vfs/options.ts";
import * as vfsPathWalk from "../vfs/path_walk.ts";
import * as vfsSeenNames from "../vfs/seen_names.ts";
import * as vfsVfs from "../vfs/vfs.ts";
import * as vfsVirtualDentry from "../vfs/virtual_dentry.ts";

/** Every class that an object of a kernel can have. */
export const stateClasses: readonly StateClass[] = [
  archSignalInfo.SignalInfo,
  fsimplDevDev.DevType,
  fsimplDevMem.NullFileDescription,
  fsimplDevMem.ZeroFileDescription,
  fsimplDevMem.FullFileDescription,
  fsimplDevMem.RandomFileDescription,
  fsimplDevMem.NullDevice,
  fsimplDevMem.ZeroDevice,
  fsimplDevMem.FullDevice,
  fsimplDevMem.RandomDevice,
  fsimplDevTty.TTYDevice,
  fsimplDevptsDevpts.DevptsFilesystem,
  fsimplDevptsDevpts.DevptsDirectory,
  fsimplDevptsDevpts.PTMXInode,
  fsimplDevptsDevpts.HostTerminalInode,
  fsimplDevptsDevpts.ReplicaInode,
  fsimplDevptsDevpts.PTMXDevice,
  fsimplDevptsDevpts.DevptsType,
  fsimplDevptsLineDiscipline.LineDiscipline,
  fsimplDevptsMaster.MasterFileDescription,
  fsimplDevptsOutput.Stage,
  fsimplDevptsOutput.Output,
  fsimplDevptsQueue.InputQueue,
  fsimplDevptsReplica.ReplicaFileDescription,
  fsimplDevptsTerminal.PtyDriver,
  fsimplDevptsTerminal.Terminal,
  fsimplDevptsTerminal.MasterEnd,
  fsimplDevptsTerminal.ReplicaEnd,
  fsimplDevptsTermios.Termios,
  fsimplEventfdEventfd.EventFileDescription,
  fsimplGoferDescriptorCache.DescriptorCache,
  fsimplGoferDirectory.GoferDirectory,
  fsimplGoferDirectoryFd.GoferDirectoryDescription,
  fsimplGoferGofer.GoferOptions,
  fsimplGoferGofer.GoferFilesystem,
  fsimplGoferGofer.GoferType,
  fsimplGoferInode.GoferLocation,
  fsimplGoferOwnDescriptor.OwnDescriptor,
  fsimplGoferRegularFile.GoferRegularFile,
  fsimplGoferRegularFileFd.HandleUse,
  fsimplGoferRegularFileFd.GoferFileDescription,
  fsimplGoferSpecialFile.GoferSymlink,
  fsimplGoferSpecialFile.GoferSpecialFile,
  fsimplHostFileDescription.HostFileDescription,
  fsimplHostHost.HostFilesystem,
  fsimplHostInode.HostInode,
  fsimplHostTty.HostTerminal,
  fsimplHostTty.HostTTYFileDescription,
  fsimplKernfsDirectory.KernfsDirectoryFileDescription,
  fsimplKernfsDirectory.StaticDirectory,
  fsimplKernfsFile.DynamicBytesFileDescription,
  fsimplKernfsFile.StaticFile,
  fsimplKernfsSymlink.StaticSymlink,
  fsimplNsfsNsfs.NSFilesystem,
  fsimplNsfsNsfs.NSRoot,
  fsimplNsfsNsfs.NSInode,
  fsimplNsfsNsfs.NSFileDescription,
  fsimplOverlayCopyUp.CopyUp,
  fsimplOverlayDirectory.OverlayDirectory,
  fsimplOverlayDirectoryFd.SnapshotEntry,
  fsimplOverlayDirectoryFd.OverlayDirectoryDescription,
  fsimplOverlayInode.UnfinishedCopy,
  fsimplOverlayInode.OverlaySpecialFile,
  fsimplOverlayOverlay.OverlayOptions,
  fsimplOverlayOverlay.OverlayFilesystem,
  fsimplOverlayOverlay.OverlayType,
  fsimplOverlayRegularFile.OverlayRegularFile,
  fsimplOverlayRegularFile.PendingCopyUp,
  fsimplOverlayRegularFileFd.OverlayFileDescription,
  fsimplPipefsPipe.PipeAccounting,
  fsimplPipefsPipe.Pipe,
  fsimplPipefsPipeFd.PipeFileDescription,
  fsimplPipefsPipefs.PipeFS,
  fsimplPipefsPipefs.PipeInode,
  fsimplProcFilesystem.ProcFilesystem,
  fsimplProcFilesystem.ProcType,
  fsimplProcIdMap.IDMapFile,
  fsimplProcIdMap.IDMapFileDescription,
  fsimplProcNet.UnixSocketsFile,
  fsimplProcRoot.RootDirectory,
  fsimplProcRoot.SelfSymlink,
  fsimplProcSysctl.SysctlDirectory,
  fsimplProcSysctl.NamespaceLimit,
  fsimplProcSysctl.LiveSysctl,
  fsimplProcSystemText.SystemFile,
  fsimplProcTaskDir.TaskDirectory,
  fsimplProcTaskDir.TasksDirectory,
  fsimplProcTaskFd.FDDirectory,
  fsimplProcTaskFd.FDSymlink,
  fsimplProcTaskFd.FDInfoFile,
  fsimplProcTaskLink.PlaceSymlink,
  fsimplProcTaskLink.NSDirectory,
  fsimplProcTaskLink.NSSymlink,
  fsimplProcTaskMem.MemInode,
  fsimplProcTaskMem.MemFileDescription,
  fsimplProcTaskText.TaskFile,
  fsimplProcTaskText.TaskMemoryFileDescription,
  fsimplSockfsSockfs.SockFS,
  fsimplSockfsSockfs.SocketInode,
  fsimplSysSys.SysRoot,
  fsimplSysSys.SysFilesystem,
  fsimplSysSys.SysType,
  fsimplTimerfdTimerfd.TimerFileDescription,
  fsimplTmpfsDirectory.TmpfsDirent,
  fsimplTmpfsDirectory.TmpfsDirectory,
  fsimplTmpfsRegularFile.TmpfsExtent,
  fsimplTmpfsRegularFile.TmpfsRegularFile,
  fsimplTmpfsRegularFile.TmpfsFileDescription,
  fsimplTmpfsSpecialFile.TmpfsSymlink,
  fsimplTmpfsSpecialFile.TmpfsSpecialFile,
  fsimplTmpfsTmpfs.Tmpfs,
  fsimplTmpfsTmpfs.TmpfsType,
  fsutilHostFile.HostFile,
  fsutilHostIo.HostIO,
  iopoolIoPool.IOJob,
  iopoolIoPool.IOPool,
  kernelAuthCapabilitySet.CapabilitySet,
  kernelAuthCredentials.Credentials,
  kernelAuthUserNamespace.IDMapEntry,
  kernelAuthUserNamespace.UserNamespace,
  kernelCgroupNamespace.CgroupNamespace,
  kernelCpuAccounting.CPUAccounting,
  kernelCpuAccounting.TaskCPU,
  kernelCpuAccounting.UserTimeClock,
  kernelFdTable.FDBlock,
  kernelFdTable.FDTable,
  kernelFsContext.FSContext,
  kernelFutexFutex.FutexManager,
  kernelFutexWaiter.Waiter,
  kernelFutexWaiter.Bucket,
  kernelIpcObject.IPCObject,
  kernelIpcRegistry.Registry,
  kernelIpcUsage.IPCUsage,
  kernelIpcNamespace.IPCNamespace,
  kernelKernel.Kernel,
  kernelLoadAverage.LoadAverage,
  kernelMsgqueueQueue.MessageType,
  kernelMsgqueueQueue.Message,
  kernelMsgqueueQueue.MessageReceiver,
  kernelMsgqueueQueue.MessageSender,
  kernelMsgqueueQueue.MessageQueue,
  kernelMsgqueueRegistry.MessageQueueRegistry,
  kernelPendingSignals.QueuedSignal,
  kernelPendingSignals.PendingSignals,
  kernelPidNamespace.PIDNamespace,
  kernelPidRef.PIDRef,
  kernelPidfd.PIDFileDescription,
  kernelPosixTimer.PosixTimer,
  kernelProcessTimers.RealIntervalTimer,
  kernelProcessTimers.CPUIntervalTimer,
  kernelProcessTimers.CPULimitTimer,
  kernelProcessTimers.ProcessTimers,
  kernelPtrace.Ptrace,
  kernelPtrace.PtraceStop,
  kernelRunQueue.RunQueue,
  kernelSave.SavedContext,
  kernelSave.SavedKernel,
  kernelSeccomp.SeccompData,
  kernelSeccomp.SeccompUsage,
  kernelSeccomp.SeccompFilter,
  kernelSemaphoreRegistry.SemaphoreRegistry,
  kernelSemaphoreSet.SemaphoreWaiter,
  kernelSemaphoreSet.SemaphoreSet,
  kernelSemaphoreUndo.SemaphoreUndo,
  kernelSemaphoreUndo.SemaphoreUndoList,
  kernelSessions.Session,
  kernelSessions.ProcessGroup,
  kernelShmAttachment.ShmAttachment,
  kernelShmRegistry.ShmRegistry,
  kernelShmSegment.ShmSegment,
  kernelSignalHandlers.SignalAction,
  kernelSignalHandlers.SignalHandlers,
  kernelSignalQuota.SignalQuota,
  kernelSignalQuota.SignalQuotas,
  kernelSignalfd.SignalFileDescription,
  kernelStringTable.StringTable,
  kernelSyscallScratch.ExecScratch,
  kernelSyscallScratch.SyscallScratch,
  kernelTask.BlockTimerListener,
  kernelTask.Task,
  kernelTaskExec.ExecImage,
  kernelTaskSet.TaskSet,
  kernelTaskSyscall.GivenUpCall,
  kernelThreadGroup.Usage,
  kernelThreadGroup.ThreadGroup,
  kernelUtsNamespace.UTSChanges,
  kernelUtsNamespace.UTSNamespace,
  limitsLimits.Limit,
  limitsLimits.LimitSet,
  loaderElf.KnownHead,
  loaderElf.KnownHeads,
  loaderFeatures.Features,
  memmapFileIds.FileIDs,
  memmapMappingSet.MappingEntry,
  memmapMappingSet.MappingSet,
  memmapSegmentSet.Segment,
  memmapSegmentSet.SegmentSet,
  mmAnonMappable.AnonPiece,
  mmAnonMappable.AnonMappable,
  mmForcedIo.ForcedIO,
  mmHotPages.HotPages,
  mmMemoryManager.SharedKey,
  mmMemoryManager.MemoryManager,
  mmPma.PMA,
  mmVma.VMA,
  pgallocMemoryFile.UsedRange,
  pgallocMemoryFile.DirtyRange,
  pgallocMemoryFile.MemoryFile,
  socketBufferPool.BufferPool,
  socketControlRights.RightsAccounting,
  socketControlRights.SCMRights,
  socketMessage.Message,
  socketNamespace.NetworkNamespace,
  socketOptions.SocketOptions,
  socketSocket.PeerCredentials,
  socketSystem.SocketSystem,
  socketUnixProvider.UnixProvider,
  socketUnixTransportAddress.UnixAddress,
  socketUnixTransportEndpoint.PeerRelay,
  socketUnixTransportEndpoint.UnixEndpoint,
  socketUnixTransportGarbage.Vertex,
  socketUnixTransportGarbage.Collector,
  socketUnixTransportNameTable.UnixNames,
  socketUnixTransportPacket.Packet,
  socketUnixTransportPacket.PacketQueue,
  socketUnixUnix.UnixSocket,
  syscallsLinuxFileOwner.AsyncNotifier,
  syscallsLinuxSysFutex.FutexDeadline,
  syscallsLinuxSysFutex.FutexRestart,
  syscallsLinuxSysPoll.PollRestart,
  syscallsLinuxSysTime.ClockSetWaker,
  syscallsLinuxSysTime.SleepRestart,
  syscallsLinuxSysTime.CPUSleepRestart,
  timeClockAlarm.ClockAlarm,
  timeCpuAlarm.CPUAlarm,
  timeTimekeeper.Timekeeper,
  timeTimerQueue.Timer,
  timeTimerQueue.TimerQueue,
  usermemBytesIo.BytesIO,
  usermemIoSequence.IOSequence,
  vfsAnonFs.AnonFilesystem,
  vfsAnonFs.AnonInode,
  vfsDentry.Dentry,
  vfsDentry.DentryCache,
  vfsDirectory.DirectoryFileDescription,
  vfsEpoll.EpollAccounting,
  vfsEpoll.EpollInterest,
  vfsEpoll.EventPoll,
  vfsFileDescription.FileAsync,
  vfsHostCopy.HostCopier,
  vfsInotify.InotifyUser,
  vfsInotify.InotifyState,
  vfsInotify.Watch,
  vfsInotify.InodeWatches,
  vfsInotifyFd.InotifyEvent,
  vfsInotifyFd.InotifyFileDescription,
  vfsKnownPath.KnownPath,
  vfsLock.LockRange,
  vfsLock.LockWait,
  vfsLock.FileLocks,
  vfsLock.LockWaits,
  vfsMissingNames.MissingNames,
  vfsMount.Mount,
  vfsMountNamespace.MountNamespace,
  vfsMountPropagation.PeerGroup,
  vfsNameCache.NameCache,
  vfsOpath.OPathFileDescription,
  vfsOptions.PathOperation,
  vfsOptions.Timestamp,
  vfsOptions.Statx,
  vfsOptions.SetStatOptions,
  vfsOptions.Statfs,
  vfsPathWalk.Walker,
  vfsSeenNames.SeenNames,
  vfsVfs.VirtualFilesystem,
  vfsVirtualDentry.VirtualDentry,
  waiterIndex.Entry,
  waiterIndex.Queue,
];
