//! Every message that crosses the network: what can be read at all is written and read again as the same.

use cofferdam_wire::v1;
use prost::Message;

use crate::choose;

macro_rules! all {
    ($($message:ident)*) => {
        /// By name, so that a test can compare them with the file that describes them.
        const ALL: &[(&str, fn(&[u8]))] = &[$((stringify!($message), read::<v1::$message>)),*];
    };
}

all! {
    Chunk Packed Part Piece SubmitRequest SubmitReply WatchRequest WatchReply CancelRequest QueuesRequest QueuesReply WhyRequest WhyReply
    CancelReply ReviewRequest ReviewReply Question MissingRequest MissingReply UploadRequest UploadReply ChunksRequest ChunkList
    CompiledRequest CompiledReply FetchChunksRequest FetchRequest SizeRequest SizeReply ReadRequest WriteRequest
    WriteReply DiscardRequest DiscardReply LocateRequest LocateReply Holder PeerRequest Holds Gives Hello
    FromWorker Draining ListRequest DrainRequest DrainReply EnrolRequest EnrolReply RevokeRequest RevokeReply
    ListReply WorkerState Welcome ToWorker CutOff
}

pub(crate) fn messages(bytes: &[u8]) {
    if let Some(((_, read), rest)) = choose(ALL, bytes) {
        read(rest);
    }
}

fn read<M: Message + Default>(bytes: &[u8]) {
    let Ok(message) = M::decode(bytes) else { return };
    let written = message.encode_to_vec();
    let again = M::decode(written.as_slice()).expect("what was written can be read");
    // Maps are written in any order.
    assert_eq!(again.encode_to_vec().len(), written.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_107_no_message_is_left_out() {
        let text = include_str!("../../../host/wire/proto/cofferdam/v1/cluster.proto");
        let described: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("message ")?.split([' ', '{']).next()).collect();
        let read: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(read, described);
    }
}
