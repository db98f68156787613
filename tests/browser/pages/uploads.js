// What scenarios/uploads.mjs has a page do: each function here answers one call from Python.

const requests = new Map()
const endings = []
let upload

// Starts an upload of the chosen file, and goes on with an earlier one that the page remembers.
//
//   task.options      handed to tus.Upload as they are; endpoint is among them
//   task.source       "file" (default), or what does not tell its length: "stream", as version 5
//                     takes it, or "reader", as version 4 does
//   task.credentials  whether cookies are sent along
async function begin(task) {
  const [file] = document.querySelector('input').files
  const source = {
    file: () => file,
    stream: () => file.stream(),
    reader: () => file.stream().getReader(),
  }[task.source ?? 'file']()
  let end
  endings.push(new Promise((resolve) => (end = resolve)))
  const begun = new tus.Upload(source, {
    ...task.options,
    onBeforeRequest(request) {
      request.getUnderlyingObject().withCredentials = Boolean(task.credentials)
      requests.set(request, {
        method: request.getMethod(),
        offset: request.getHeader('Upload-Offset'),
        length: request.getHeader('Upload-Length'),
        concat: request.getHeader('Upload-Concat'),
      })
    },
    onAfterResponse(request, response) {
      requests.get(request).status = response.getStatus()
    },
    onSuccess: () => end({ event: 'success' }),
    onError(error) {
      const status = error.originalResponse?.getStatus() ?? null
      end({ event: 'error', message: String(error), status })
    },
  })
  upload = begun
  // A stream has nothing by which it could be known again; version 5 complains about it.
  const [previous] = source === file ? await begun.findPreviousUploads() : []
  if (previous) begun.resumeFromPreviousUpload(previous)
  begun.start()
}

// The upload that was begun last, and all requests.
function state() {
  return { url: upload.url, requests: [...requests.values()] }
}

async function outcome() {
  const ended = await Promise.all(endings)
  return { ...(ended.find(({ event }) => event === 'error') ?? ended[0]), ...state() }
}

async function pause() {
  await upload.abort()
  return state()
}

function resume() {
  upload.start()
}

// Aborts and starts again, so often, with nothing in between: each start goes on by itself.
function restart(times) {
  for (let time = 0; time < times; time += 1) {
    upload.abort()
    upload.start()
  }
}

async function terminate() {
  await upload.abort(true)
  return state()
}

// Sends a request as tus-js-client does, and tells what the page sees of its answer.
//
//   method, url, headers   Tus-Resumable is sent besides
//   size                   bytes of the body, which are zeros; no body without it
function ask({ method, url, headers = {}, size }) {
  const request = new XMLHttpRequest()
  request.open(method, url)
  request.setRequestHeader('Tus-Resumable', '1.0.0')
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
  const began = performance.now()
  return new Promise((resolve) => {
    request.onloadend = () => {
      const lines = request.getAllResponseHeaders().split('\r\n').filter(Boolean)
      resolve({
        status: request.status,
        headers: Object.fromEntries(lines.map((line) => line.split(': '))),
        text: request.responseText,
        seconds: (performance.now() - began) / 1000,
      })
    }
    request.send(size === undefined ? null : new Blob([new Uint8Array(size)]))
  })
}

function askAll(asked) {
  return Promise.all(asked.map(ask))
}
