//! The fields in which two packets can differ.

use super::draft::Draft;

/// A field of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Where it starts.
    Origin,
    /// The source address.
    Source,
    /// The destination address.
    Destination,
    /// Everything behind the internet header: protocol, ports, flags, types.
    Transport,
    /// The bytes behind that.
    Payload,
    /// The mark.
    Mark,
    /// Time to live or hop limit.
    Hops,
    /// Type of service or traffic class.
    TrafficClass,
    /// Whether it is a fragment.
    Fragment,
    /// What it is to connection tracking.
    Standing,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Origin,
        Self::Source,
        Self::Destination,
        Self::Transport,
        Self::Payload,
        Self::Mark,
        Self::Hops,
        Self::TrafficClass,
        Self::Fragment,
        Self::Standing,
    ];

    /// Whether two drafts are alike in it.
    #[must_use]
    pub fn same(self, one: &Draft, other: &Draft) -> bool {
        let (a, b) = (&one.shot.packet, &other.shot.packet);
        match self {
            Self::Origin => a.origin == b.origin,
            Self::Source => a.source == b.source,
            Self::Destination => a.destination == b.destination,
            Self::Transport => a.transport == b.transport,
            Self::Payload => a.payload == b.payload,
            Self::Mark => a.mark == b.mark,
            Self::Hops => a.hops == b.hops,
            Self::TrafficClass => a.traffic_class == b.traffic_class,
            Self::Fragment => a.fragment == b.fragment,
            Self::Standing => one.standing == other.standing,
        }
    }

    /// A draft with this field taken from another.
    #[must_use]
    pub fn copy(self, from: &Draft, to: &Draft) -> Option<Draft> {
        if self == Self::Standing {
            return Draft::new(to.base.clone(), from.standing);
        }
        let a = &from.shot.packet;
        let copied = to.with(|b| match self {
            Self::Origin => b.origin = a.origin,
            Self::Source => b.source = a.source,
            Self::Destination => b.destination = a.destination,
            Self::Transport => b.transport = a.transport,
            Self::Payload => b.payload = a.payload.clone(),
            Self::Mark => b.mark = a.mark,
            Self::Hops => b.hops = a.hops,
            Self::TrafficClass => b.traffic_class = a.traffic_class,
            Self::Fragment => b.fragment = a.fragment,
            Self::Standing => {}
        })?;
        if self.same(&copied, from) {
            return Some(copied);
        }
        // The standing shapes the transport: the other's standing leaves it alone.
        let shaped = Draft::new(copied.base, from.standing)?;
        self.same(&shaped, from).then_some(shaped)
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u16);

impl Fields {
    /// The fields in which two drafts differ.
    #[must_use]
    pub fn of_difference(one: &Draft, other: &Draft) -> Self {
        let differ = Field::ALL
            .iter()
            .enumerate()
            .filter(|(_, field)| !field.same(one, other));
        Self(differ.fold(0, |bits, (place, _)| bits | 1 << place))
    }

    /// Each field of the set.
    pub fn each(self) -> impl Iterator<Item = Field> {
        let all = Field::ALL.into_iter().enumerate();
        all.filter(move |(place, _)| self.0 & 1 << place != 0)
            .map(|(_, field)| field)
    }

    /// Whether something holds of all of them.
    pub fn all(self, holds: impl FnMut(Field) -> bool) -> bool {
        self.each().all(holds)
    }
}
