// Uploads once for each case, for tests/clients/test_statuses.py.
//
// The one argument is a JSON array of cases:
//   endpoint   where uploads are created
//   method     "POST" and "PATCH" upload from the start, "HEAD" goes on with url, "DELETE" ends it
//   url        an upload that has been begun
//
// The one line on stdout is a JSON array that says of each whether it succeeded.

import * as tus from 'tus-js-client'

const retryDelays = [0, 0]

function upload({ endpoint, method, url }) {
  return new Promise((resolve) => {
    new tus.Upload(Buffer.from('hello'), {
      endpoint,
      uploadUrl: method === 'HEAD' ? url : null,
      retryDelays,
      onSuccess: () => resolve(true),
      onError: () => resolve(false),
    }).start()
  })
}

function terminate({ url }) {
  return tus.Upload.terminate(url, { retryDelays }).then(
    () => true,
    () => false,
  )
}

const succeeded = []
for (const task of JSON.parse(process.argv[2])) {
  succeeded.push(await (task.method === 'DELETE' ? terminate(task) : upload(task)))
}
process.stdout.write(`${JSON.stringify(succeeded)}\n`)
