export { startMinio, type MinioServer } from '../../bench/nodes/minio-server.ts';
