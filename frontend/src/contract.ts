// Generated from instant/contract.py by frontend/generate_contract.py: change it there.

export const CHANNEL = "channel";
export const SITE = "site";
export const UID = "uid";
export const TIMESTAMP = "timestamp";
export const MESSAGE = "message";
export const DATA = "data";
export const EVENT_CLASS = "event_class";
export const BUCKET = "bucket";
export const PUBLIC = "public";
export const USERS = "users";
export const GROUPS = "groups";
export const STAFF = "staff";
export const SUPERUSER = "superuser";
export const PRIVATE_PREFIX = "$";
export const NAMESPACE_BOUNDARY = ":";
export const SOCKETS_NAMESPACE = "ws";
export const MAX_CHANNEL_BYTES = 255;
export const MAX_PAYLOAD_BYTES = 900000;
export const MAX_BATCH_COMMANDS = 1000;
export const MAX_BATCH_BYTES = 524288;
export const REMEMBERED_UIDS = 1000;
export const REVOKED_CODE = 4501;
export const REVOKED_REASON = "access revoked";
