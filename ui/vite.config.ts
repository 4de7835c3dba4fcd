import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** A Node module in the bundle means that a contract pulled in something that no browser has. */
const browserOnly: Plugin = {
  name: 'kedge:browser-only',
  enforce: 'pre',
  resolveId(id, importer) {
    if (id.startsWith('node:')) this.error(`${importer} imports ${id}, which does not exist in a browser`);
  },
};

export default defineConfig({
  plugins: [browserOnly, react()],
  build: { target: 'es2022', sourcemap: false, chunkSizeWarningLimit: 700 },
  server: { proxy: { '/api': process.env['KEDGE_CONSOLE_API'] ?? 'http://127.0.0.1:4600' } },
});
