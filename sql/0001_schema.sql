-- The tables. Jobs write them as the owner; people read them as skuscribe_reader (sql/reader.sql).

CREATE SCHEMA IF NOT EXISTS skuscribe;

COMMENT ON SCHEMA skuscribe IS 'Products, their vectors, and the descriptions that were written for them.';

-- One row for each catalogue that is searchable: what its products were made from, and how to search them.
CREATE TABLE skuscribe.catalogue (
    catalogue_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    catalogue          text NOT NULL UNIQUE,
    generation         integer NOT NULL DEFAULT 0,  -- counts finished builds; 0 = none yet
    catalogue_digest   text,
    encoder            text,
    encoder_digest     text,
    dimensions         integer,
    m                  integer,
    ef_construction    integer,
    ef_search          integer,
    updated            timestamptz NOT NULL DEFAULT now()
);

-- A partition for each catalogue, named product_<catalogue_id>_<generation>: a build fills a new table, indexes it and puts
-- it in the place of the old one within one short transaction, so a reader sees the old products or the new, never a mixture.
--
-- The column states no dimension, for catalogues may use different encoders and a partition's column must have its parent's
-- type. An HNSW index needs one; so each partition's index is on the expression (embedding::halfvec(n)), and every query
-- that wants the index writes the same cast.
CREATE TABLE skuscribe.product (
    catalogue     text NOT NULL,
    uid           text NOT NULL,
    title         text NOT NULL,
    content       text NOT NULL,
    cluster       bigint NOT NULL,   -- shared with exact and near duplicates
    split         text NOT NULL,     -- train, test or held-out
    shard         integer,           -- counted from 0; null for the held-out set
    row           bigint NOT NULL,   -- its line in the input, from 1
    content_hash  bytea NOT NULL,    -- SHA-256 of the encoder's digest and the text that was embedded
    embedding     halfvec,           -- of length 1; null where embedding failed
    PRIMARY KEY (catalogue, row)
) PARTITION BY LIST (catalogue);

CREATE INDEX product_uid ON skuscribe.product (catalogue, uid);
CREATE INDEX product_cluster ON skuscribe.product (catalogue, cluster);
CREATE INDEX product_content_hash ON skuscribe.product (content_hash);

-- Vectors on their way into a product table. Many embedders write it at the same time; what one has written, none redoes.
CREATE TABLE skuscribe.embedded (
    content_hash  bytea PRIMARY KEY,
    embedding     halfvec NOT NULL,
    created       timestamptz NOT NULL DEFAULT now()
);

-- Every finished build of an index.
CREATE TABLE skuscribe.index_build (
    catalogue         text NOT NULL,
    generation        integer NOT NULL,
    catalogue_digest  text NOT NULL,
    encoder           text NOT NULL,
    encoder_digest    text NOT NULL,
    dimensions        integer NOT NULL,
    m                 integer NOT NULL,
    ef_construction   integer NOT NULL,
    rows              bigint NOT NULL,
    vectors_new       bigint NOT NULL,   -- vectors computed since the build before
    rows_removed      bigint NOT NULL,   -- products of the build before that are gone
    seconds           double precision NOT NULL,
    index_seconds     double precision NOT NULL,
    index_bytes       bigint NOT NULL,
    table_bytes       bigint NOT NULL,
    recall_at_10      jsonb NOT NULL,    -- ef_search -> share of the 10 true nearest that the index finds
    recall_queries    integer NOT NULL,
    ef_search         integer NOT NULL,  -- the smallest with the recall wanted
    created           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (catalogue, generation)
);

-- What `describe` wrote, one row a product and batch.
CREATE TABLE skuscribe.description (
    batch                   text NOT NULL,
    uid                     text NOT NULL,
    catalogue               text NOT NULL,
    title                   text NOT NULL,
    description             text NOT NULL,
    flags                   text[] NOT NULL DEFAULT '{}',   -- reasons not to publish; empty = published
    published               boolean NOT NULL,
    neighbours              text[] NOT NULL DEFAULT '{}',   -- uids of what it was grounded on, nearest first
    neighbour_similarities  real[] NOT NULL DEFAULT '{}',
    repetition              real,                           -- share of repeated word 3-grams
    grounding               real,                           -- share of numbers and codes found in title or neighbours
    copying                 real,
    length_words            integer,
    ended                   boolean,
    model_digest            text NOT NULL,
    retries                 integer NOT NULL DEFAULT 0,
    error                   text,
    created                 timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch, uid)
);

CREATE INDEX description_uid ON skuscribe.description (uid);

-- Rows that a job could not work on, with the reason. A job that is run again replaces its own.
CREATE TABLE skuscribe.failure (
    job      text NOT NULL,   -- index or describe
    scope    text NOT NULL,   -- the catalogue of index, the batch of describe
    uid      text NOT NULL,
    error    text NOT NULL,
    created  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, scope, uid)
);
