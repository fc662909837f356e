//! G.711, G.722, tones and mixing.
