//! RTP, RTCP, RFC 4733 and the source lock.
