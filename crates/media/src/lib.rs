//! Media threads: RTP sockets, built-in participants.
