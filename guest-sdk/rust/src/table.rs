//! Arrow tables as inputs and outputs.

use std::io::Write;

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;

use crate::context::Context;
use crate::contract::Content;
use crate::error::Result;
use crate::input::{InputType, Unreadable};
use crate::output::{EncodeFailure, OutputType};
use crate::reader::Reader;
use crate::writer::Writer;

/// Media type of tables.
const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";

/// A table: record batches of one schema, sent as an Arrow IPC stream. To work on more than memory holds,
/// take a [`Reader`] and give it to [`StreamReader`].
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
}

impl Table {
    /// Rows in all batches.
    pub fn n_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

impl From<RecordBatch> for Table {
    fn from(batch: RecordBatch) -> Table {
        Table { schema: batch.schema(), batches: vec![batch] }
    }
}

impl InputType for Table {
    const MEDIA_TYPE: &'static str = ARROW_STREAM;

    fn schema() -> String {
        "true".to_owned()
    }

    fn read(reader: Reader) -> Result<Table, Unreadable> {
        if reader.media_type() != ARROW_STREAM {
            let message = format!("it is `{}`, expected `{ARROW_STREAM}`", reader.media_type());
            return Err(Unreadable::content(message));
        }
        let broken = |error: arrow::error::ArrowError| match error {
            arrow::error::ArrowError::IoError(_, error) => Unreadable::from(error),
            error => Unreadable::content(error.to_string()),
        };
        let stream = StreamReader::try_new(reader, None).map_err(broken)?;
        let schema = stream.schema();
        let batches = stream.collect::<Result<_, _>>().map_err(broken)?;
        Ok(Table { schema, batches })
    }
}

impl OutputType for Table {
    const MEDIA_TYPE: &'static str = ARROW_STREAM;

    fn schema() -> String {
        "true".to_owned()
    }

    fn write(self, ctx: &Context) -> Result<Content, EncodeFailure> {
        let mut writer = Writer::new(ctx.host.clone());
        write_stream(&self, &mut writer).map_err(|error| match error {
            arrow::error::ArrowError::IoError(_, error) => EncodeFailure::from(error),
            error => EncodeFailure::value(error.to_string()),
        })?;
        Ok(writer.finish()?.0)
    }
}

fn write_stream(table: &Table, writer: &mut dyn Write) -> Result<(), arrow::error::ArrowError> {
    let mut stream = StreamWriter::try_new(writer, &table.schema)?;
    table.batches.iter().try_for_each(|batch| stream.write(batch))?;
    stream.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn table() -> Table {
        let names: StringArray = (0..50_000).map(|n| Some(format!("row {n}"))).collect();
        let numbers: Int64Array = (0..50_000).map(Some).collect();
        let columns = [("name", Arc::new(names) as _), ("n", Arc::new(numbers) as _)];
        RecordBatch::try_from_iter(columns).unwrap().into()
    }

    #[test]
    fn a_table_that_is_written_reads_back() {
        let ctx = Context::test();
        let content = OutputType::write(table(), &ctx).unwrap();
        assert!(matches!(content, Content::Stored(_)), "it is larger than what goes inline");
        let bytes = ctx.stored_bytes(&crate::Stored(content)).unwrap();
        let read = <Table as InputType>::read(Reader::inline(ARROW_STREAM.to_owned(), bytes)).unwrap();
        assert_eq!(read, table());
        assert_eq!(read.n_rows(), 50_000);
    }

    #[test]
    fn what_is_no_table_is_refused_in_words() {
        let error = |media_type: &str| {
            let reader = Reader::inline(media_type.to_owned(), b"name,n\n".to_vec());
            format!("{:?}", <Table as InputType>::read(reader).unwrap_err())
        };
        assert!(
            error("text/csv").contains("it is `text/csv`, expected `application/vnd.apache.arrow.stream`")
        );
        assert!(error(ARROW_STREAM).contains("permanent: true"));
    }
}
