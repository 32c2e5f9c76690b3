// A real pipeline for the browser to look at: started from a configuration of its own in a folder of its own,
// asked through the command line, ended and cleaned up.
import {execFile, spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync, openSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const BIN = process.env.TROUPE_BIN;
const LIMIT_MS = 30000;

// Waits until `look` gives something true; fails naming what did not come.
export async function until(what, look, limit = LIMIT_MS) {
  const deadline = Date.now() + limit;
  for (;;) {
    const value = await look();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${limit / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class Pipeline {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'troupe-browser-'));
    this.name = `browser-${process.pid}`;
    this.env = {...process.env, TROUPE_RUNTIME_DIR: join(this.folder, 'run'), TROUPE_STATE_DIR: join(this.folder, 'state')};
    this.config = join(this.folder, 'pipeline.conf');
    this.output = join(this.folder, 'output');
    writeFileSync(this.config, `
name = "${this.name}"
stream "cam1" { source = "pattern:"  pattern_size = "640x480"  pattern_fps = 20  pattern_frames = 0 }
processor { count = 2 }
storer { folder = "${join(this.folder, 'recording')}" }
display { listen = "127.0.0.1:0" }
`);
  }

  // Starts it in the foreground of a child process; returns the page's address once all workers are ready.
  async up() {
    const output = openSync(this.output, 'w');
    this.child = spawn(join(BIN, 'troupe'), ['up', '-c', this.config], {env: this.env, stdio: ['ignore', output, output]});
    this.exit = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve({code, signal})));
    this.exit.then(() => (this.ended = true));
    const status = await until('the pipeline to run', async () => {
      if (this.ended) throw new Error(`troupe up ended: ${this.said()}`);
      const reply = await this.ask('status');
      return reply?.pipeline?.state === 'running' && reply.pipeline.url && reply;
    });
    return status.pipeline.url;
  }

  said() {
    return readFileSync(this.output, 'utf8').slice(-2000);
  }

  // The reply of `troupe COMMAND --json`, null when there is none.
  ask(command) {
    return new Promise((resolve) => {
      execFile(join(BIN, 'troupe'), [command, '--json', '-n', this.name], {env: this.env}, (error, stdout) =>
        resolve(error ? null : JSON.parse(stdout)));
    });
  }

  async worker(name) {
    return (await this.ask('ps'))?.worker.find((worker) => worker.name === name);
  }

  // Ends it as Ctrl-C would; whatever happened before, nothing of it is left.
  async down() {
    try {
      if (this.child && !this.ended) {
        this.child.kill('SIGINT');
        await until('the pipeline to end', () => this.ended);
      }
      return this.child ? await this.exit : null;
    } finally {
      if (this.child && !this.ended) this.child.kill('SIGKILL');
      rmSync(this.folder, {recursive: true, force: true, maxRetries: 20, retryDelay: 100});
    }
  }
}
