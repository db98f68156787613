// Server-sent events by fetch, for an EventSource can send no token.

import { ask } from './token.js'

// The server says something every 15 seconds: a line that is silent for longer is dead.
const SILENCE = 40_000

/** The server answered with a status other than 200. */
export class Refusal extends Error {
  constructor(status) {
    super(`answered ${status}`)
    this.status = status
  }
}

/** Yields { event, data } for each event at *url*, until the line breaks or the server ends it. */
export async function* eventsOf(url) {
  const line = new AbortController()
  let patience
  const wait = () => {
    clearTimeout(patience)
    patience = setTimeout(() => line.abort(), SILENCE)
  }
  try {
    wait()
    const answer = await ask(url, { headers: { Accept: 'text/event-stream' }, signal: line.signal })
    if (answer.status !== 200) throw new Refusal(answer.status)
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      wait()
      text += value.replaceAll('\r', '')
      const events = text.split('\n\n')
      text = events.pop() // what has not come to its end
      yield* events.map(parsed).filter(({ data }) => data !== undefined)
    }
  } finally {
    clearTimeout(patience)
    line.abort()
  }
}

/** Returns the fields of an event; a comment, which keeps the line busy, has none. */
function parsed(text) {
  const { event, data } = Object.fromEntries(text.split('\n').map((each) => each.split(/: (.*)/)))
  return { event, data: data && JSON.parse(data) }
}
