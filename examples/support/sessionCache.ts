import type { Module, Session } from 'lstm-native';

/**
 * One stream per user. Those used last are live; those before them are parked as plain bytes, and taken up again at
 * their next use. A service with several processes would park them in a database.
 */
export class SessionCache {
  /** The least recently used first, here and below. */
  private readonly live = new Map<string, Session>();
  private readonly parked = new Map<string, Uint8Array>();

  constructor(
    private readonly model: Module,
    private readonly limits: { readonly live: number; readonly parked: number },
  ) {}

  get size(): number {
    return this.live.size + this.parked.size;
  }

  has(user: string): boolean {
    return this.live.has(user) || this.parked.has(user);
  }

  /** Calls `body` with the user's session, begun where there is none. `body` keeps the session only until it returns. */
  use<T>(user: string, body: (session: Session) => T): T {
    const session = this.live.get(user) ?? this.revive(user);
    this.makeLatest(user, session);
    return body(session);
  }

  dispose(): void {
    for (const session of this.live.values()) session.dispose();
    this.live.clear();
    this.parked.clear();
  }

  private revive(user: string): Session {
    const session = this.model.session();
    const state = this.parked.get(user);
    if (state) session.importState(state);
    this.parked.delete(user);
    return session;
  }

  private makeLatest(user: string, session: Session): void {
    this.live.delete(user);
    this.live.set(user, session);
    for (const [oldest, idle] of this.live) {
      if (this.live.size <= this.limits.live) return;
      this.live.delete(oldest);
      this.park(oldest, idle);
    }
  }

  private park(user: string, session: Session): void {
    this.parked.set(user, session.exportState());
    session.dispose();
    const [oldest] = this.parked.keys();
    if (this.parked.size > this.limits.parked && oldest !== undefined) this.parked.delete(oldest);
  }
}
