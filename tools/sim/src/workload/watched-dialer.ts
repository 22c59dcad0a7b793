import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  GroupService,
  type JoinSessionRequestSchema,
  type JoinSessionResponse,
} from '@moldau/proto/moldau/group/v1/group_pb';
import type { Dialer, Session } from '@moldau/rpc';

type Request = MessageInitShape<typeof JoinSessionRequestSchema>;
export type SaidFrame = NonNullable<Request['frame']>;
export type HeardFrame = JoinSessionResponse['frame'];

/** Hears what members say and are told, as it leaves them and before they look at it. */
export interface StreamWatch {
  /** Returns what is to be sent in its place: the same, or other words for it. `undefined`: nothing yet; `later` sends it. */
  said(frame: SaidFrame, later: (frame: SaidFrame) => void): SaidFrame | undefined;
  /** Returns what is to be said at once, if anything, before the member looks at it. */
  heard(frame: HeardFrame): SaidFrame | undefined;
}

/** The same connections, with somebody who listens to each stream of a member. */
export function watchedDialer(dialer: Dialer, watch: () => StreamWatch): Dialer {
  return {
    dial: (address, purpose) => {
      const channel = dialer.dial(address, purpose);
      return {
        address: channel.address,
        unary: (method, request, options) => channel.unary(method, request, options),
        serverStream: (method, request, options) => channel.serverStream(method, request, options),
        session: (method, options) => {
          const session = channel.session(method, options);
          return method.name === GroupService.method.joinSession.name ? watchedSession(session, watch()) : session;
        },
        close: () => channel.close(),
      };
    },
  };
}

/** To be used with sessions of `JoinSession` alone. */
function watchedSession<Out, In>(session: Session<Out, In>, watch: StreamWatch): Session<Out, In> {
  const say = (frame: SaidFrame): boolean => session.send({ frame } as Out);
  const later = (frame: SaidFrame): void => {
    if (!session.signal.aborted) say(frame);
  };
  return {
    signal: session.signal,
    send: (message) => {
      const { frame } = message as Request;
      if (frame === undefined) return session.send(message);
      const now = watch.said(frame, later);
      return now === undefined || say(now);
    },
    drained: () => session.drained(),
    end: () => session.end(),
    cancel: (error) => session.cancel(error),
    incoming: heard(session, watch),
  };
}

async function* heard<Out, In>(session: Session<Out, In>, watch: StreamWatch): AsyncGenerator<In> {
  for await (const message of session.incoming) {
    const said = watch.heard((message as JoinSessionResponse).frame);
    if (said !== undefined) session.send({ frame: said } as Out);
    yield message;
  }
}
