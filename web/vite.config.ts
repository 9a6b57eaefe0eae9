// SPDX-License-Identifier: Apache-2.0
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// `LIKENESS_SERVER=http://127.0.0.1:PORT npm run dev` works on a running `likeness studio`.
const server = process.env.LIKENESS_SERVER ?? 'http://127.0.0.1:8740';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // A tenth smaller than what esbuild makes of it.
    minify: 'terser',
    terserOptions: { compress: { passes: 3 } },
    // The content security policy allows files of our own only: nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { output: { manualChunks: { plot: ['uplot'] } } },
  },
  server: {
    proxy: { '/v1': { target: server, changeOrigin: true, ws: true, headers: { Origin: server } } },
  },
});
