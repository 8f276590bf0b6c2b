import { stateType } from "../../state/index.ts";
import type { UserNamespace } from "./auth/index.ts";
import type { Kernel } from "./kernel.ts";
import { MessageQueueRegistry } from "./msgqueue/index.ts";
import { SemaphoreRegistry } from "./semaphore/index.ts";
import { ShmRegistry } from "./shm/index.ts";

/** An IPC namespace: the System V objects that its tasks can name. */
export class IPCNamespace {
  static readonly stateType = stateType("kernel.IPCNamespace", ["userNamespace", "shm", "semaphores", "messageQueues"]);
  readonly userNamespace: UserNamespace;
  readonly shm: ShmRegistry;
  readonly semaphores: SemaphoreRegistry;
  readonly messageQueues: MessageQueueRegistry;

  constructor(kernel: Kernel, userNamespace: UserNamespace) {
    this.userNamespace = userNamespace;
    this.shm = new ShmRegistry(kernel, userNamespace);
    this.semaphores = new SemaphoreRegistry(kernel, userNamespace);
    this.messageQueues = new MessageQueueRegistry(kernel, userNamespace);
  }
}
