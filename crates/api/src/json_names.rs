//! Protobuf JSON with the names of the `.proto` file, and times as every client reads them.
//!
//! The generated types write camelCase; LiveKit's Twirp answers snake_case. [`SnakeCase`] renames
//! struct fields on their way to any serializer and leaves the keys of maps alone, for those are
//! data (attribute names, header names). Times end in `Z`: older versions of `@bufbuild/protobuf`
//! refuse an offset after a fraction of a second.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Value;

/// Fields of the type `google.protobuf.Timestamp`; elsewhere their names belong to numbers.
const TIMES: &[&str] = &["created_at", "updated_at", "started_at", "ended_at", "expires_at", "deployed_at"];

/// A value whose struct fields, at every depth, are written in snake_case.
pub(crate) struct SnakeCase<'a, T: ?Sized>(pub(crate) &'a T);

impl<T: Serialize + ?Sized> Serialize for SnakeCase<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Renaming(serializer))
    }
}

/// `numParticipants` → `num_participants`: what protobuf's JSON name was made from.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

struct Renaming<S>(S);

macro_rules! pass {
    ($($method:ident($kind:ty);)*) => {
        $(fn $method(self, value: $kind) -> Result<Self::Ok, Self::Error> {
            self.0.$method(value)
        })*
    };
}

impl<S: Serializer> Serializer for Renaming<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Renaming<S::SerializeSeq>;
    type SerializeTuple = Renaming<S::SerializeTuple>;
    type SerializeTupleStruct = Renaming<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Renaming<S::SerializeTupleVariant>;
    type SerializeMap = Renaming<S::SerializeMap>;
    type SerializeStruct = Renaming<S::SerializeMap>;
    type SerializeStructVariant = Renaming<S::SerializeStructVariant>;

    pass! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit_struct(&'static str);
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_none()
    }
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&SnakeCase(value))
    }
    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit_variant(name, index, variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &SnakeCase(value))
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &SnakeCase(value))
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.0.serialize_seq(len).map(Renaming)
    }
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.0.serialize_tuple(len).map(Renaming)
    }
    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.0.serialize_tuple_struct(name, len).map(Renaming)
    }
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0.serialize_tuple_variant(name, index, variant, len).map(Renaming)
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.0.serialize_map(len).map(Renaming)
    }
    /// A map, because the names of a struct's fields have to live for ever and new ones do not.
    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.0.serialize_map(Some(len)).map(Renaming)
    }
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0.serialize_struct_variant(name, index, variant, len).map(Renaming)
    }
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident;)*) => {
        $(impl<S: $trait> $trait for Renaming<S> {
            type Ok = S::Ok;
            type Error = S::Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.0.$method(&SnakeCase(value))
            }
            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })*
    };
}

elements! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

impl<S: SerializeMap> SerializeMap for Renaming<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&SnakeCase(value))
    }
    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

impl<S: SerializeMap> SerializeStruct for Renaming<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
        let name = snake_case(key);
        if TIMES.contains(&name.as_str())
            && let Ok(Value::String(time)) = serde_json::to_value(value)
        {
            let utc = time.strip_suffix("+00:00").map(|local| format!("{local}Z"));
            return self.0.serialize_entry(&name, &utc.unwrap_or(time));
        }
        self.0.serialize_entry(&name, &SnakeCase(value))
    }
    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

impl<S: SerializeStructVariant> SerializeStructVariant for Renaming<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
        self.0.serialize_field(key, &SnakeCase(value))
    }
    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{SnakeCase, snake_case};
    use livekit_protocol as proto;
    use serde_json::json;

    #[test]
    fn times_end_in_z_and_look_alikes_stay() {
        let like = "2026-01-02T03:04:05.678+00:00";
        let trunk = proto::SipInboundTrunkInfo {
            created_at: Some(pbjson_types::Timestamp { seconds: 1_767_323_045, nanos: 678_000_000 }),
            metadata: like.into(),
            headers: [("created_at".into(), like.into())].into(),
            ..Default::default()
        };
        assert_eq!(
            serde_json::to_value(SnakeCase(&trunk)).unwrap(),
            json!({
                "created_at": "2026-01-02T03:04:05.678Z", "metadata": like, "headers": {"created_at": like},
            })
        );
        let ingress = proto::IngressState { started_at: 5, ..Default::default() };
        assert_eq!(serde_json::to_value(SnakeCase(&ingress)).unwrap(), json!({"started_at": "5"}));
    }

    #[test]
    fn fields_are_renamed_and_map_keys_are_not() {
        let list = proto::ListParticipantsResponse {
            participants: vec![proto::ParticipantInfo {
                sid: "PA_x".into(),
                joined_at_ms: 5,
                kind: proto::participant_info::Kind::Sip.into(),
                attributes: [("five9.routeReason".into(), "a".into()), ("camelCase".into(), "bC".into())].into(),
                permission: Some(proto::ParticipantPermission { can_publish_data: true, ..Default::default() }),
                tracks: vec![proto::TrackInfo { mime_type: "audio/PCMU".into(), ..Default::default() }],
                ..Default::default()
            }],
        };
        assert_eq!(
            serde_json::to_value(SnakeCase(&list)).unwrap(),
            json!({"participants": [{
                "sid": "PA_x", "joined_at_ms": "5", "kind": "SIP",
                "attributes": {"five9.routeReason": "a", "camelCase": "bC"},
                "permission": {"can_publish_data": true},
                "tracks": [{"mime_type": "audio/PCMU"}],
            }]})
        );
    }

    #[test]
    fn names_are_split_before_capitals() {
        for (camel, snake) in [("sipTrunkId", "sip_trunk_id"), ("name", "name"), ("", ""), ("aB", "a_b")] {
            assert_eq!(snake_case(camel), snake);
        }
    }
}
