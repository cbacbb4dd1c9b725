// Types of redline.js. The kinds and the control events are those of the service: its /v1/types.d.ts says what is installed.
// A page that has its own copy of these files keeps them side by side: redline.d.ts, and v1/types.d.ts beneath it.

import type { RedlineControlEventMap, RedlineEventMap } from "./v1/types.d.ts";

/** A control event of the stream itself. `id` is the position that it carries, or null. */
export interface Control<Name extends string, Data> {
  readonly id: string | null;
  readonly kind: Name;
  readonly data: Data;
}

/** The data of each control event, as a handler gets it. */
export type ControlMap = { readonly [Name in keyof RedlineControlEventMap & string]: Control<Name, RedlineControlEventMap[Name]> };

/** What a gap says: `reason`, `requested`, `oldest`, `head`. */
export type GapData = RedlineControlEventMap["stream.gap"];

type Prefixes<Name extends string> = Name extends `${infer First}.${infer Rest}`
  ? `${First}.*` | (Prefixes<Rest> extends infer More extends string ? `${First}.${More}` : never)
  : never;

type Named<Map> = keyof Map & string;

/** What `kinds` takes: an installed kind, or a prefix of some as "change.*". */
export type KindPattern<Events> = Named<Events> | Prefixes<Named<Events>>;

/** What `on` takes besides: "*" for every kind, and the control events. */
export type HandlerPattern<Events> = KindPattern<Events> | KindPattern<ControlMap> | "*";

/** What a handler of a pattern gets. */
export type Handled<Events, Pattern extends string> = Pattern extends "*"
  ? Events[Named<Events>]
  : Pattern extends `${infer Prefix}.*`
    ? (Events & ControlMap)[Extract<Named<Events & ControlMap>, `${Prefix}.${string}`>]
    : Pattern extends Named<Events & ControlMap>
      ? (Events & ControlMap)[Pattern]
      : never;

/** A signed token, or a stream ticket: the answer of POST /v1/stream/tickets will do as it is. */
export type Credential = string | { readonly ticket: string };

export interface StreamError {
  readonly code: string;
  readonly message: string;
}

export interface Status {
  /**
   * `connecting`: asking for a token, or for a stream. `open`: events come. `waiting`: cut, and coming back by itself. `refused`: not coming back
   * by itself; `error` says why, and `reconnect()` tries again. `closed`: by `close()`.
   */
  readonly state: "connecting" | "open" | "waiting" | "refused" | "closed";
  /** Why: the reason of a stream.closing, `network`, `silence`, `unreachable`, `suspended`, or an error's code. */
  readonly reason: string | null;
  readonly error: StreamError | null;
  /** Whether tabs share the stream, and whether this one holds it. */
  readonly shared: boolean;
  readonly leading: boolean;
}

export interface Options<Events = RedlineEventMap> {
  /**
   * Returns a credential that can be used now. Asked at the start, before the one in use ends, and when one was refused; a falsy answer means that
   * there is none (`refused`), an exception that there is none just now (`waiting`).
   */
  token: () => Credential | null | undefined | Promise<Credential | null | undefined>;
  /** How long `token()` may take (milliseconds, 30,000 unless said). After that it counts as an exception: it is asked again, a little later each time. */
  tokenTimeout?: number;
  /** The stream's address; by default that of the service that redline.js came from. */
  url?: string | URL;
  /** Only these kinds; all where left out. */
  kinds?: readonly KindPattern<Events>[];
  /** Begin after this event, as the `head` that a server-rendered page was made from; "earliest" for all that is retained. */
  lastEventId?: string;
  /** Called where events may be missing: fetch your state again. Everything retained follows, whether or not it came before. */
  gap?: (gap: GapData) => void;
  onstate?: (status: Status) => void;
  /**
   * Share one stream with the other tabs of this origin that name the same org and user, and ask for the same kinds of the same service. The org must
   * be the token's. Where the browser cannot (no secure context), the stream is this tab's own.
   */
  share?: { readonly org: string; readonly user: string };
}

export interface Stream<Events = RedlineEventMap> {
  readonly status: Status;
  /** The last event's id, to begin after another time; "" before there is one. */
  readonly lastEventId: string;
  /** Resolves when the stream is open for the first time: now fetch your state, and apply the events. */
  readonly ready: Promise<void>;
  /** Calls `handler` for each event of a kind, a prefix as "change.*", "*" for all, or a control event as "stream.open". Returns how to end that. */
  on<Pattern extends HandlerPattern<Events>>(kind: Pattern, handler: (event: Handled<Events, Pattern>) => void): () => void;
  /** Connects anew from the last event on, with another token: after `refused`, when somebody has signed in again. */
  reconnect(): void;
  close(): void;
}

/** Opens a stream. It reconnects, renews its credential and resumes by itself until it is closed. */
export declare function openStream<Events = RedlineEventMap>(options: Options<NoInfer<Events>>): Stream<Events>;
