import { CLONE_NEWIPC } from "../../abi/linux/clone.ts";
import { stateType } from "../../state/index.ts";
import { Namespace, UCOUNT_IPC_NAMESPACES, type UserNamespace } from "./auth/index.ts";
import type { Kernel } from "./kernel.ts";
import { MessageQueueRegistry } from "./msgqueue/index.ts";
import { SemaphoreRegistry } from "./semaphore/index.ts";
import { ShmRegistry } from "./shm/index.ts";

/** An IPC namespace: the System V objects that its tasks can name. */
export class IPCNamespace extends Namespace {
  static override readonly stateType = stateType("kernel.IPCNamespace", [
    "userNamespace",
    "shm",
    "semaphores",
    "messageQueues",
  ]);
  readonly userNamespace: UserNamespace;
  readonly shm: ShmRegistry;
  readonly semaphores: SemaphoreRegistry;
  readonly messageQueues: MessageQueueRegistry;

  constructor(kernel: Kernel, userNamespace: UserNamespace, ino: number) {
    super(ino);
    this.userNamespace = userNamespace;
    this.shm = new ShmRegistry(kernel, userNamespace);
    this.semaphores = new SemaphoreRegistry(kernel, userNamespace);
    this.messageQueues = new MessageQueueRegistry(kernel, userNamespace);
    userNamespace.incRef();
  }

  override cloneFlag(): number {
    return CLONE_NEWIPC;
  }

  override kindName(): string {
    return "ipc";
  }

  override countedAs(): number {
    return UCOUNT_IPC_NAMESPACES;
  }

  override governor(): UserNamespace {
    return this.userNamespace;
  }

  /** Its objects go with it; a segment that is mapped somewhere goes with its last mapping. */
  override release(): void {
    for (const s of [...this.shm.objects.values()]) this.shm.markRemoved(s);
    for (const s of [...this.semaphores.objects.values()]) s.destroy();
    for (const q of [...this.messageQueues.objects.values()]) q.destroy();
  }
}
