//! The few parts of a certificate that are looked at here (RFC 5280, section 4.1). Whether it is one that the authority
//! signed is found out by rustls, which reads it for itself.

use std::ops::RangeInclusive;

use cofferdam_model::Timestamp;
use rustls::pki_types::CertificateDer;
use yasna::models::ObjectIdentifier;
use yasna::tags::{TAG_BOOLEAN, TAG_UTCTIME};
use yasna::{ASN1Result, BERReader, BERReaderSeq, Tag, parse_der};

use super::Undecipherable;

/// Of the extension that says whom a certificate is for.
const SUBJECT_ALTERNATIVE_NAME: [u64; 4] = [2, 5, 29, 17];

pub(crate) struct Parsed {
    pub(crate) valid: RangeInclusive<Timestamp>,
    /// SubjectPublicKeyInfo in DER.
    pub(crate) public_key: Vec<u8>,
    /// Names of hosts that it is for.
    pub(crate) hosts: Vec<String>,
}

impl Parsed {
    /// The key itself, without what says of which kind it is.
    pub(crate) fn key_bits(&self) -> Option<Vec<u8>> {
        let parsed = parse_der(&self.public_key, |reader| {
            reader.read_sequence(|parts| {
                let _kind = parts.next().read_der()?;
                parts.next().read_bitvec_bytes()
            })
        });
        parsed.ok().map(|(bits, _)| bits)
    }

    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Result<Parsed, Undecipherable> {
        let parsed = parse_der(certificate, |reader| {
            reader.read_sequence(|parts| {
                let signed = parts.next().read_sequence(signed)?;
                let _algorithm = parts.next().read_der()?;
                let _signature = parts.next().read_der()?;
                Ok(signed)
            })
        });
        parsed.map_err(|_| Undecipherable("a certificate"))
    }
}

fn signed(parts: &mut BERReaderSeq<'_, '_>) -> ASN1Result<Parsed> {
    let _version = parts.next().read_der()?;
    let _serial_number = parts.next().read_der()?;
    let _algorithm = parts.next().read_der()?;
    let _issuer = parts.next().read_der()?;
    let valid = parts.next().read_sequence(|times| Ok(time(times.next())?..=time(times.next())?))?;
    let _subject = parts.next().read_der()?;
    let public_key = parts.next().read_der()?;
    let extensions = parts.next().read_tagged(Tag::context(3), |reader| {
        reader.collect_sequence_of(|reader| reader.read_sequence(hosts))
    })?;
    Ok(Parsed { valid, public_key, hosts: extensions.concat() })
}

fn time(reader: BERReader<'_, '_>) -> ASN1Result<Timestamp> {
    let seconds = match reader.lookahead_tag()? {
        TAG_UTCTIME => reader.read_utctime()?.datetime().unix_timestamp(),
        _ => reader.read_generalized_time()?.datetime().unix_timestamp(),
    };
    Ok(Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)))
}

/// The hosts that an extension names: none, if it is about something else.
fn hosts(parts: &mut BERReaderSeq<'_, '_>) -> ASN1Result<Vec<String>> {
    let about = parts.next().read_oid()?;
    let _critical = parts.read_optional(|reader| match reader.lookahead_tag()? {
        TAG_BOOLEAN => reader.read_bool(),
        _ => Err(yasna::ASN1Error::new(yasna::ASN1ErrorKind::Invalid)),
    })?;
    let content = parts.next().read_bytes()?;
    if about != ObjectIdentifier::from_slice(&SUBJECT_ALTERNATIVE_NAME) {
        return Ok(vec![]);
    }
    let names = parse_der(&content, |reader| {
        reader.collect_sequence_of(|reader| {
            let host = Tag::context(2);
            if reader.lookahead_tag()? != host {
                return reader.read_der().map(|_| None);
            }
            reader.read_tagged_implicit(host, |reader| reader.read_ia5_string()).map(Some)
        })
    });
    Ok(names?.into_iter().flatten().collect())
}
