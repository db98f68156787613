// How to upload from one's own code, with the right URL in it.

/** Returns [title, code] for each client; *url* is the creation URL. */
export function snippets(url) {
  return [
    ['tus-js-client', tusJsClient(url)],
    ['Uppy', uppy(url)],
    ['tuspy', tuspy(url)],
    ['curl', curl(url)],
  ]
}

function tusJsClient(url) {
  return `// npm install tus-js-client
import * as tus from 'tus-js-client'

const input = document.querySelector('input[type=file]')
input.addEventListener('change', async () => {
  const [file] = input.files
  const upload = new tus.Upload(file, {
    endpoint: ${quoted(url)},
    retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
    removeFingerprintOnSuccess: true,
    metadata: { filename: file.name, filetype: file.type },
    onProgress: (sent, total) => console.log(\`\${sent} of \${total}\`),
    onError: (error) => console.error(error),
    onSuccess: () => console.log(upload.url),
  })
  const [previous] = await upload.findPreviousUploads()
  if (previous) upload.resumeFromPreviousUpload(previous)
  upload.start()
})
`
}

function uppy(url) {
  return `// npm install @uppy/core @uppy/dashboard @uppy/tus
import Uppy from '@uppy/core'
import Dashboard from '@uppy/dashboard'
import Tus from '@uppy/tus'
import '@uppy/core/css/style.min.css'
import '@uppy/dashboard/css/style.min.css'

new Uppy()
  .use(Dashboard, { inline: true, target: 'body' })
  .use(Tus, {
    endpoint: ${quoted(url)},
    retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
    removeFingerprintOnSuccess: true,
  })
  .on('upload-success', (file, { uploadURL }) => console.log(file.name, uploadURL))
`
}

function tuspy(url) {
  return `# pip install tuspy
from tusclient import client
from tusclient.storage import filestorage

tus = client.TusClient(${quoted(url)})
uploader = tus.uploader(
    "photo.jpg",
    chunk_size=8 * 2**20,
    metadata={"filename": "photo.jpg"},
    retries=5,
    retry_delay=2,
    # Where a run that broke off left its URL, so that the next one resumes.
    store_url=True,
    url_storage=filestorage.FileStorage("uploads.json"),
)
uploader.upload()
print(uploader.url)
`
}

function curl(url) {
  return `file=photo.jpg

# Create the upload, and note where it is.
location=$(curl -sS -D - -X POST ${quoted(url)} \\
  -H 'Tus-Resumable: 1.0.0' \\
  -H "Upload-Length: $(wc -c <"$file" | tr -d ' ')" \\
  -H "Upload-Metadata: filename $(printf %s "$file" | base64 | tr -d '\\n')" |
  tr -d '\\r' | grep -i '^location:')
upload=${quoted(url)}"\${location##*/}"

# Send what the server lacks. After an interruption, run this part again.
offset=$(curl -sSI "$upload" -H 'Tus-Resumable: 1.0.0' | grep -i '^upload-offset:' | tr -dc 0-9)
tail -c "+$((offset + 1))" "$file" | curl -sS -X PATCH -T - "$upload" \\
  -H 'Tus-Resumable: 1.0.0' \\
  -H "Upload-Offset: $offset" \\
  -H 'Content-Type: application/offset+octet-stream'
echo "$upload"
`
}

// No URL that a browser's address bar can hold has a quote in it unescaped.
function quoted(url) {
  return `'${url.replaceAll("'", '%27')}'`
}
