import { whyUnconnected } from '@moldau/kernel';
import test from 'ava';

const openSsl =
  '40AD:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../tlsany_meth.c:77:\n';

/** What grpc-js 1.14 says of an address, and what a person is told. */
const told: readonly (readonly [cause: string, words: string])[] = [
  ['Error: connect ECONNREFUSED 127.0.0.1:1', "a:1 can't be reached (connect ECONNREFUSED 127.0.0.1:1): is a server"],
  ['Protocol error (2026-11-25T13:14:21.956Z)', 'a:1 answers, but not in gRPC: it may be an HTTP port. Check the port'],
  ['Failed to connect (2026-11-25T13:14:22.168Z)', 'a:1 ended the connection at once: it may want TLS'],
  [`Error: ${openSsl}`, 'a:1 does not speak TLS'],
  [
    'Error: Client network socket disconnected before secure TLS connection was established',
    'a:1 ended the connection before TLS began',
  ],
  ['Error: self-signed certificate', "a:1 can't be reached (self-signed certificate): is a server running there?"],
];

for (const [cause, words] of told) {
  test(`no connection: ${cause.trim()}`, (t) => {
    for (const end of ['. Resolution note: ', '']) {
      const why = whyUnconnected('a:1', `No connection established. Last error: ${cause}${end}`);
      t.is(why?.slice(0, words.length), words);
      t.notRegex(why ?? '', /Resolution|2026/);
    }
  });
}

test('of a connection that was there, it says nothing', (t) => {
  t.is(whyUnconnected('a:1', 'Connection dropped'), undefined);
  t.is(whyUnconnected('a:1', 'No connection established'), undefined);
});
