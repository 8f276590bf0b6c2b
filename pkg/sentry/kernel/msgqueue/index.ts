/** Package msgqueue is System V message queues (msgget(2)): typed messages, and tasks that wait for one or for room. */
export {
  Message,
  MessageQueue,
  MessageReceiver,
  MessageSender,
  MessageType,
  RECEIVE_ANY,
  RECEIVE_AT,
  RECEIVE_EQUAL,
  RECEIVE_LESS_EQUAL,
  RECEIVE_NOT_EQUAL,
  type ReceiveMode,
} from "./queue.ts";
export { MessageQueueRegistry } from "./registry.ts";
