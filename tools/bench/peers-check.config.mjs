// What `npm test` leaves out: it fetches other systems, and runs them.
export default {
  extensions: ['ts'],
  files: ['test/peers.test.ts'],
  timeout: '3m',
};
