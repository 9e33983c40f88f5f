-- The tables. Jobs write them as the owner. The role skuscribe_reader (sql/reader.sql) can read them.
-- The schema exists: it holds the table of migrations.

COMMENT ON SCHEMA skuscribe IS 'Products, their vectors, and the descriptions that were written for them.';

-- One row per indexed catalogue: the digests of its inputs, and the parameters of its index.
CREATE TABLE skuscribe.catalogue (
    catalogue_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    catalogue          text NOT NULL UNIQUE,
    generation         integer NOT NULL DEFAULT 0,  -- number of finished builds
    catalogue_digest   text,
    encoder            text,
    encoder_digest     text,
    dimensions         integer,
    m                  integer,
    ef_construction    integer,
    ef_search          integer,
    updated            timestamptz NOT NULL DEFAULT now()
);

-- One partition per catalogue, named product_<catalogue_id>_<generation>. A build fills and indexes a new table, then replaces
-- the old partition by it in one short transaction, so that a reader sees the old products or the new, never a mixture.
--
-- The column has no fixed dimension: a partition's column has the type of its parent's, and catalogues may use different
-- encoders. An HNSW index needs a dimension. Each partition is therefore indexed on the expression (embedding::halfvec(n)), and
-- a query that uses the index has the same cast.
CREATE TABLE skuscribe.product (
    catalogue     text NOT NULL,
    uid           text NOT NULL,
    title         text NOT NULL,
    content       text NOT NULL,
    cluster       bigint NOT NULL,   -- shared with exact and near duplicates
    split         text NOT NULL,     -- train, test or held-out
    shard         integer,           -- counted from 0; null for the held-out set
    row           bigint NOT NULL,   -- number of the row in the input, from 1
    content_hash  bytea NOT NULL,    -- SHA-256 of the encoder's digest and the text that was embedded
    embedding     halfvec,           -- of length 1; null if embedding failed
    PRIMARY KEY (catalogue, row)
) PARTITION BY LIST (catalogue);

CREATE INDEX product_uid ON skuscribe.product (catalogue, uid);
CREATE INDEX product_cluster ON skuscribe.product (catalogue, cluster);
CREATE INDEX product_content_hash ON skuscribe.product (content_hash);

-- Vectors that wait for the next build. Many jobs write here at the same time, and none computes a vector that is here already.
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
    vectors_new       bigint NOT NULL,   -- vectors computed since the previous build
    rows_removed      bigint NOT NULL,   -- products of the previous build that the catalogue no longer has
    seconds           double precision NOT NULL,
    index_seconds     double precision NOT NULL,
    index_bytes       bigint NOT NULL,
    table_bytes       bigint NOT NULL,
    recall_at_10      jsonb NOT NULL,    -- ef_search -> fraction of the 10 exact nearest that a search finds
    recall_queries    integer NOT NULL,
    ef_search         integer NOT NULL,  -- the smallest that reaches --recall-at-least
    created           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (catalogue, generation)
);

-- The output of `describe`: one row per batch and product.
CREATE TABLE skuscribe.description (
    batch                   text NOT NULL,
    uid                     text NOT NULL,
    catalogue               text NOT NULL,
    title                   text NOT NULL,
    description             text NOT NULL,
    flags                   text[] NOT NULL DEFAULT '{}',   -- reasons not to publish
    published               boolean NOT NULL,
    neighbours              text[] NOT NULL DEFAULT '{}',   -- uids of the retrieved neighbours in the prompt, nearest first
    neighbour_similarities  real[] NOT NULL DEFAULT '{}',
    repetition              real,                           -- fraction of repeated word 3-grams
    grounding               real,                           -- fraction of its numbers and codes that title or neighbours have
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

-- Products that a job could not process, with the reason. A job that runs again replaces its own rows.
CREATE TABLE skuscribe.failure (
    job      text NOT NULL,   -- index or describe
    scope    text NOT NULL,   -- the catalogue (index) or the batch (describe)
    uid      text NOT NULL,
    error    text NOT NULL,
    created  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, scope, uid)
);
