// Drives one tus-js-client upload for tests/clients/test_tus_js_client.py.
//
// The one argument is a JSON object:
//   file       path of what to upload
//   source     "file" (default), "buffer", or "stream" (a stream of unknown length)
//   options    handed to tus.Upload as they are; endpoint is among them
//   urls       path of a file that keeps upload URLs; a previous upload found there is resumed
//   stallAt    send this many bytes of the file, say "stalled", and send no more in that request
//   abortAfter abort once this many chunks were accepted and all parts have their URL
//   seconds    give up after this long (default 20)
// A line on stdin, "abort" or "terminate", ends the upload.
//
// Every line on stdout is a JSON object with an `event`: perhaps "stalled", then one of "success",
// "aborted", "terminated", "error" and "timeout". Each has the upload's url and the requests made.

import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import * as tus from 'tus-js-client'

const task = JSON.parse(process.argv[2])
const requests = new Map()

function tell(event, details = {}) {
  const said = { event, url: upload.url, requests: [...requests.values()], ...details }
  process.stdout.write(`${JSON.stringify(said)}\n`)
}

let finished = false
function finish(event, details) {
  if (finished) return
  finished = true
  tell(event, details)
  // Without these the process ends by itself, when files and sockets are done with.
  clearTimeout(watchdog)
  commands.close()
  process.stdin.destroy()
}

async function end(how) {
  try {
    await upload.abort(how === 'terminate')
    finish(how === 'terminate' ? 'terminated' : 'aborted')
  } catch (error) {
    finish('error', { message: String(error) })
  }
}

// A file that stalls once, at task.stallAt, as a line does that has gone dead without closing:
// the request that meets the place sends no more, and a later one passes it freely.
class StallingFile {
  constructor(path, size) {
    this.path = path
    this.size = size
    this.stalled = false
  }

  async slice(start, end) {
    const stop = Math.min(end, this.size)
    const value = Readable.from(this.bytes(start, stop), { objectMode: false })
    value.size = stop - start
    return { value, done: stop >= this.size }
  }

  async *bytes(start, stop) {
    const stalls = !this.stalled && start <= task.stallAt && task.stallAt < stop
    const end = stalls ? task.stallAt : stop
    if (start < end) yield* createReadStream(this.path, { start, end: end - 1 })
    if (stalls) {
      this.stalled = true
      tell('stalled')
      await new Promise(() => {})
    }
  }

  close() {}
}

async function openSource() {
  if (task.source === 'buffer') return readFile(task.file)
  const file = createReadStream(task.file)
  // Wrapped, it no longer shows that there is a file behind it, so its length is not known.
  return task.source === 'stream' ? Readable.from(file, { objectMode: false }) : file
}

let chunks = 0
const options = {
  ...task.options,
  onBeforeRequest(request) {
    requests.set(request, {
      method: request.getMethod(),
      url: request.getURL(),
      offset: request.getHeader('Upload-Offset'),
      length: request.getHeader('Upload-Length'),
      concat: request.getHeader('Upload-Concat'),
    })
  },
  onAfterResponse(request, response) {
    requests.get(request).status = response.getStatus()
  },
  onChunkComplete() {
    chunks += 1
    const created = [...requests.values()].filter(({ status }) => status === 201).length
    if (chunks >= task.abortAfter && created === (task.options.parallelUploads ?? 1)) end('abort')
  },
  onSuccess: () => finish('success'),
  onError: (error) => finish('error', { message: String(error) }),
}
if (task.urls) options.urlStorage = new tus.FileUrlStorage(task.urls)
if (task.stallAt !== undefined) {
  const { size } = await stat(task.file)
  options.fileReader = { openFile: async () => new StallingFile(task.file, size) }
}

const upload = new tus.Upload(await openSource(), options)
const watchdog = setTimeout(
  () => {
    tell('timeout')
    process.exit(1)
  },
  (task.seconds ?? 20) * 1000,
)
const commands = createInterface({ input: process.stdin }).on('line', end)

if (task.urls) {
  const [previous] = await upload.findPreviousUploads()
  if (previous) upload.resumeFromPreviousUpload(previous)
}
upload.start()
