import type { Centrifuge } from "centrifuge";
import { Room, type RoomOwner } from "./room.js";
import type { ChannelToken } from "./tokens.js";

/** The page's channels by name, each once, in the order in which they became known. */
export class Rooms {
  private readonly byName = new Map<string, Room>();
  /** What the page left: not joined again only because Django lists it. */
  private readonly left = new Set<string>();

  constructor(private readonly owner: RoomOwner) {}

  get all(): Room[] {
    return [...this.byName.values()].filter((room) => !room.leaving);
  }

  get arePending(): boolean {
    return this.all.some((room) => room.isPending);
  }

  get(name: string): Room | undefined {
    return this.byName.get(name);
  }

  /** Note what Django told of a channel; with `isNews` also of one that nobody asked for. */
  know({ name, level, position }: ChannelToken, isNews: boolean): void {
    const room = isNews && !this.left.has(name) ? this.add(name) : this.byName.get(name);
    if (room === undefined) return;
    room.level = level;
    if (position !== null) room.startAt(position);
  }

  /** Note a channel for which the page asks. */
  want(name: string): Room {
    this.left.delete(name);
    const room = this.add(name);
    room.explicit = true;
    room.leaving = false;
    return room;
  }

  leave(room: Room, client: Centrifuge | null): void {
    this.left.add(room.name);
    if (room.leave(client)) this.remove(room);
  }

  remove(room: Room): void {
    if (this.byName.get(room.name) === room) this.byName.delete(room.name);
  }

  /** Have a new subscription with this client, before it connects, for each room that `wanted` picks. */
  attach(client: Centrifuge, wanted: (room: Room) => boolean): void {
    for (const room of [...this.byName.values()]) {
      if (room.leaving) this.drop(room, client);
      else if (wanted(room)) room.attach(client);
    }
  }

  /** Give up all subscriptions; who waits for one is told `error`, unless it is null. */
  detach(client: Centrifuge, error: Error | null): void {
    for (const room of this.byName.values()) {
      room.detach(client);
      if (error !== null) room.giveUp(error);
      if (room.leaving) this.remove(room);
    }
  }

  invalidate(): void {
    for (const room of this.byName.values()) room.invalidate();
  }

  /** Another user: keep only what the page itself asked for, from now on. */
  changeUser(client: Centrifuge | null): void {
    this.left.clear();
    for (const room of [...this.byName.values()]) {
      room.forgetPosition();
      if (!room.explicit || room.leaving) this.drop(room, client);
    }
  }

  joinAllAgain(): void {
    this.left.clear();
  }

  clear(error: Error): void {
    for (const room of this.byName.values()) room.giveUp(error);
    this.byName.clear();
    this.left.clear();
  }

  private drop(room: Room, client: Centrifuge | null): void {
    if (client !== null) room.detach(client);
    this.remove(room);
  }

  private add(name: string): Room {
    const room = this.byName.get(name) ?? new Room(name, this.owner);
    this.byName.set(name, room);
    return room;
  }
}
