/** A field of a layer. */
export interface Field {
  name: string;
  /** The position in the layer, in bytes. */
  offset: number;
  length: number;
  value: number | string;
}

/** A protocol in a packet. */
export interface Layer {
  name: string;
  title: string;
  length: number;
  fields: Field[];
  /** Bytes that belong to no known field. */
  undecoded?: { offset: number; bytes: string }[];
  /** Deviations from the documented layout. */
  notes?: string[];
}

/** A packet of the protocol. */
export interface Packet {
  number: number;
  /** Seconds since 1970. */
  time: number;
  source: string;
  destination: string;
  direction: "to_camera" | "from_camera" | null;
  dialect: string;
  session: number | null;
  phase: string | null;
  protocol: string;
  summary: string;
  layers: Layer[];
}

/** A session in a capture. */
export interface Session {
  number: number;
  client: string;
  camera: string;
  dialect: string;
  uid: string | null;
  /** Seconds since 1970. */
  first: number;
  last: number;
  packets: number;
  /** Protected records that were decrypted, and that were not. */
  decrypted: number;
  encrypted: number;
  notes: Record<string, number>;
  [field: string]: unknown;
}

/** A line of a dissection: packets first, then sessions. */
export type DissectionLine = { packet: Packet } | { session: Session };

/** The parts of an address, without the secrets. */
export interface Camera {
  host: string | null;
  port: number;
  uid: string;
  mac: string | null;
  model: string | null;
  parent_mac: string | null;
  subtype: string | null;
  user_id: boolean;
}

/** A control of the catalogue. */
export interface Control {
  name: string;
  summary: string;
  get: number | null;
  set: number | null;
  [field: string]: unknown;
}

/** A request to a camera. The payload is hexadecimal. */
export interface Request {
  code: number;
  payload: string;
}
