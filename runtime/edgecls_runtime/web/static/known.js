// What the station said last, for whoever asks.

export const known = { status: null };
