// Reads a stream with the npm package "eventsource" and prints each dispatched event as a line of JSON.
//
// Usage: node eventsource.mjs URL NAME…   An EventSource dispatches by name: an event that nobody listens for is silent, so every name that
// may come is given, and "message", the name of whatever a server did not mean to send, is listened for as well.
//
// What is its own: `lastEventId` of a message is that event's own id (a browser gives the stream's last), so it is empty where a frame has
// none. It gives up for good on any status but 200, as a browser does; the service refuses for now with a 200 for that reason.
import { EventSource } from 'eventsource'

const [url, ...names] = process.argv.slice(2)
const source = new EventSource(url)
for (const name of [...names, 'message']) {
  source.addEventListener(name, ({ data, lastEventId }) => {
    process.stdout.write(`${JSON.stringify({ event: name, data, id: lastEventId })}\n`)
  })
}
