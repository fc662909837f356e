//! The sections of a client that has one connection: it offers them to receive on, and each answer
//! says which track each carries.

use std::collections::BTreeMap;
use trunkline_room::TrackKind;
use trunkline_sdp::webrtc::{Kind, Section};
use trunkline_types::{Time, TrackSid};

/// Sections a client is asked to have at most.
const MAX_SECTIONS: usize = 60;

/// A track a client wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) kind: TrackKind,
    /// Since when.
    pub(super) since: Time,
    /// Paused by the client: it has a section, but nothing is forwarded.
    pub(super) disabled: bool,
    /// The log has a line about it.
    pub(super) warned: bool,
}

/// The tracks a client wants.
pub(super) type Wanted = BTreeMap<TrackSid, Want>;

#[derive(Clone, Debug)]
struct Slot {
    mid: String,
    /// `None` for data.
    kind: Option<TrackKind>,
    /// The client receives on it and does not send.
    usable: bool,
    /// It has carried a track. Clients build what plays a section when it begins to send, by its
    /// SSRC: before it carries another track they must have seen it inactive, and it needs a new
    /// SSRC.
    worn: bool,
    /// What the client was last told that it carries.
    told: Option<TrackSid>,
    /// What is forwarded to it.
    fed: Option<TrackSid>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Sections {
    slots: Vec<Slot>,
}

impl Sections {
    /// The sections that carry nothing any more and get a new SSRC with the next answer.
    pub(super) fn worn(&self) -> Vec<String> {
        self.slots.iter().filter(|s| s.worn && s.told.is_none()).map(|s| s.mid.clone()).collect()
    }

    /// An offer was answered, with new SSRCs for the `renewed` sections; by how many the usable
    /// sections grew.
    pub(super) fn offered(&mut self, offer: &[Section], answer: &[Section], renewed: &[String]) -> usize {
        let before = self.slots.iter().filter(|s| s.usable).count();
        let mut held: BTreeMap<String, Slot> = self.slots.drain(..).map(|s| (s.mid.clone(), s)).collect();
        for section in offer {
            let kind = match section.kind {
                Kind::Audio => Some(TrackKind::Audio),
                Kind::Video => Some(TrackKind::Video),
                Kind::Other => None,
            };
            let sent = answer.iter().any(|a| a.mid == section.mid && a.sends);
            let usable = kind.is_some() && section.receives && !section.sends && sent;
            let (told, fed, worn) = held.remove(&section.mid).map(|s| (s.told, s.fed, s.worn)).unwrap_or_default();
            let told = told.filter(|_| usable);
            let worn = worn && (told.is_some() || !renewed.contains(&section.mid));
            self.slots.push(Slot { mid: section.mid.clone(), kind, usable, worn, told, fed });
        }
        self.slots.iter().filter(|s| s.usable).count().saturating_sub(before)
    }

    /// Gives free sections to the wanted tracks that have none, and frees those nobody wants.
    pub(super) fn assign(&mut self, wanted: &Wanted) {
        for slot in &mut self.slots {
            slot.told = slot.told.take().filter(|t| wanted.contains_key(t));
        }
        for (track, want) in wanted {
            if self.mid_of(track).is_some() {
                continue;
            }
            let free = |s: &&mut Slot| s.usable && !s.worn && s.told.is_none() && s.kind == Some(want.kind);
            if let Some(slot) = self.slots.iter_mut().find(free) {
                slot.told = Some(track.clone());
                slot.worn = true;
            }
        }
    }

    /// What the client is to be told: the track of each section that carries one.
    pub(super) fn tracks_by_mid(&self) -> BTreeMap<String, TrackSid> {
        self.slots.iter().filter_map(|s| Some((s.mid.clone(), s.told.clone()?))).collect()
    }

    /// The section that carries the track.
    pub(super) fn mid_of(&self, track: &TrackSid) -> Option<&str> {
        self.slots.iter().find(|s| s.told.as_ref() == Some(track)).map(|s| s.mid.as_str())
    }

    /// Brings forwarding in line with what the client was told: each section whose track changes,
    /// with its new one.
    pub(super) fn feed(&mut self, wanted: &Wanted) -> Vec<(String, Option<TrackSid>)> {
        let mut changes = Vec::new();
        for slot in &mut self.slots {
            let due = slot.told.clone().filter(|t| wanted.get(t).is_some_and(|w| !w.disabled));
            if slot.fed != due {
                slot.fed.clone_from(&due);
                changes.push((slot.mid.clone(), due));
            }
        }
        changes
    }

    /// The track is gone, and forwarding it has ended by itself.
    pub(super) fn forget(&mut self, track: &TrackSid) {
        for slot in self.slots.iter_mut().filter(|s| s.fed.as_ref() == Some(track)) {
            slot.fed = None;
        }
    }

    /// Whether the client must offer again, and how many sections it lacks for that.
    pub(super) fn short(&self, wanted: &Wanted) -> Option<(u32, u32)> {
        let stale = self.slots.iter().any(|s| s.told.as_ref().is_some_and(|t| !wanted.contains_key(t)));
        let missing = |kind| {
            let unbound = wanted.iter().filter(|(t, w)| w.kind == kind && self.mid_of(t).is_none()).count();
            let free = self.slots.iter().filter(|s| s.usable && s.kind == Some(kind) && s.told.is_none()).count();
            (unbound, unbound.saturating_sub(free))
        };
        let ((audio, audios), (video, videos)) = (missing(TrackKind::Audio), missing(TrackKind::Video));
        let room = MAX_SECTIONS.saturating_sub(self.slots.len());
        let audios_asked = audios.min(room);
        let videos_asked = videos.min(room - audios_asked);
        let hopeless = audio + video == audios + videos && audios_asked + videos_asked == 0;
        if !stale && (audio + video == 0 || hopeless) {
            return None;
        }
        Some((u32::try_from(audios_asked).unwrap_or(0), u32::try_from(videos_asked).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(mid: &str, kind: Kind, sends: bool) -> Section {
        let (track_id, codecs) = Default::default();
        Section { mid: mid.into(), kind, sends, receives: !sends, track_id, codecs }
    }

    fn recvonly(audios: usize, videos: usize) -> Vec<Section> {
        let kinds = std::iter::repeat_n(Kind::Audio, audios).chain(std::iter::repeat_n(Kind::Video, videos));
        kinds.enumerate().map(|(at, kind)| section(&at.to_string(), kind, false)).collect()
    }

    fn answer(offer: &[Section]) -> Vec<Section> {
        offer.iter().map(|s| Section { sends: s.receives, receives: s.sends, ..s.clone() }).collect()
    }

    fn want(kind: TrackKind) -> Want {
        Want { kind, since: Time::default(), disabled: false, warned: false }
    }

    fn wanted(tracks: &[(&str, TrackKind)]) -> Wanted {
        tracks.iter().map(|(sid, kind)| (TrackSid::from(*sid), want(*kind))).collect()
    }

    fn offered(sections: &mut Sections, offer: &[Section]) -> usize {
        let worn = sections.worn();
        sections.offered(offer, &answer(offer), &worn)
    }

    #[test]
    fn what_fits_is_bound_and_the_rest_is_asked_for() {
        let mut sections = Sections::default();
        assert_eq!(offered(&mut sections, &recvonly(3, 3)), 6);
        let tracks: Vec<_> = (0..7).map(|i| format!("TR_{i}")).collect();
        let wanted = wanted(&tracks.iter().map(|t| (t.as_str(), TrackKind::Audio)).collect::<Vec<_>>());
        assert_eq!(sections.short(&wanted), Some((4, 0)));
        sections.assign(&wanted);
        assert_eq!(sections.tracks_by_mid().len(), 3);
        assert_eq!(sections.feed(&wanted).len(), 3);
        assert!(sections.feed(&wanted).is_empty());
        let mut more = recvonly(3, 3);
        more.extend((6..10).map(|at| section(&at.to_string(), Kind::Audio, false)));
        assert_eq!(offered(&mut sections, &more), 4);
        assert_eq!(sections.short(&wanted), Some((0, 0)));
        sections.assign(&wanted);
        assert_eq!(sections.tracks_by_mid().len(), 7);
        assert_eq!(sections.short(&wanted), None);
    }

    #[test]
    fn a_freed_section_rests_before_it_carries_another_track() {
        let mut sections = Sections::default();
        offered(&mut sections, &recvonly(1, 0));
        let first = wanted(&[("TR_a", TrackKind::Audio)]);
        sections.assign(&first);
        assert_eq!(sections.feed(&first), [("0".to_owned(), Some("TR_a".into()))]);
        let second = wanted(&[("TR_b", TrackKind::Audio)]);
        assert_eq!(sections.short(&second), Some((1, 0)), "the next answer says that the first one is gone");
        assert_eq!(sections.feed(&second), [("0".to_owned(), None)], "nobody hears it any more");
        assert!(sections.worn().is_empty());
        offered(&mut sections, &recvonly(1, 0));
        sections.assign(&second);
        assert!(sections.feed(&second).is_empty(), "it is said to be inactive");
        assert_eq!((sections.short(&second), sections.worn()), (Some((0, 0)), vec!["0".to_owned()]));
        sections.offered(&recvonly(1, 0), &answer(&recvonly(1, 0)), &[]);
        sections.assign(&second);
        assert!(sections.feed(&second).is_empty(), "it has its old SSRC");
        offered(&mut sections, &recvonly(1, 0));
        sections.assign(&second);
        assert_eq!(sections.feed(&second), [("0".to_owned(), Some("TR_b".into()))]);
    }

    #[test]
    fn a_track_nobody_wants_any_more_needs_an_offer_to_be_taken_back() {
        let mut sections = Sections::default();
        offered(&mut sections, &recvonly(1, 0));
        let one = wanted(&[("TR_a", TrackKind::Audio)]);
        sections.assign(&one);
        let none = Wanted::new();
        assert_eq!(sections.short(&none), Some((0, 0)));
        sections.assign(&none);
        assert_eq!(sections.short(&none), None);
    }

    #[test]
    fn sections_the_client_sends_on_or_that_were_refused_are_not_used() {
        let mut sections = Sections::default();
        let offer =
            [section("0", Kind::Audio, true), section("1", Kind::Audio, false), section("2", Kind::Other, false)];
        let mut refused = answer(&offer);
        refused[1].sends = false;
        sections.offered(&offer, &refused, &[]);
        let one = wanted(&[("TR_a", TrackKind::Audio)]);
        sections.assign(&one);
        assert!(sections.tracks_by_mid().is_empty());
        assert_eq!(sections.short(&one), Some((1, 0)));
    }

    #[test]
    fn a_paused_track_keeps_its_section() {
        let mut sections = Sections::default();
        offered(&mut sections, &recvonly(0, 1));
        let mut one = wanted(&[("TR_v", TrackKind::Video)]);
        sections.assign(&one);
        sections.feed(&one);
        one.get_mut("TR_v").expect("wanted").disabled = true;
        assert_eq!(sections.feed(&one), [("0".to_owned(), None)]);
        assert_eq!((sections.short(&one), sections.mid_of(&"TR_v".into())), (None, Some("0")));
        one.get_mut("TR_v").expect("wanted").disabled = false;
        assert_eq!(sections.feed(&one), [("0".to_owned(), Some("TR_v".into()))]);
    }

    #[test]
    fn a_client_is_never_asked_for_more_than_the_bound() {
        let mut sections = Sections::default();
        offered(&mut sections, &recvonly(30, 28));
        let tracks: Vec<_> = (0..99).map(|i| format!("TR_{i}")).collect();
        let audio = wanted(&tracks.iter().map(|t| (t.as_str(), TrackKind::Audio)).collect::<Vec<_>>());
        assert_eq!(sections.short(&audio), Some((2, 0)));
        offered(&mut sections, &recvonly(32, 28));
        sections.assign(&audio);
        assert_eq!(sections.short(&audio), None, "asking would change nothing");
    }
}
