-- What `match` learns from a catalogue, and the verdict of `describe` with its evidence.

ALTER TABLE skuscribe.description
    ADD COLUMN probability  real,                           -- calibrated: that the text is about its title and true of it
    ADD COLUMN evidence     jsonb NOT NULL DEFAULT '{}';    -- reason -> what it was given for

-- Words that exclude each other: titles of this catalogue are the same but for this word.
CREATE TABLE skuscribe.alternative (
    catalogue      text NOT NULL,
    word           text NOT NULL,       -- one to three words of a title, in lower case
    other          text NOT NULL,
    pairs          integer NOT NULL,    -- pairs of titles that differ only in these words
    example        text NOT NULL,       -- a title with `word`
    example_other  text NOT NULL,       -- the title that has `other` in its place
    PRIMARY KEY (catalogue, word, other)
);

CREATE FUNCTION skuscribe.alternatives(of_catalogue text, of_word text)
RETURNS TABLE (other text, pairs integer, example text, example_other text)
LANGUAGE sql STABLE AS $function$
    SELECT a.other, a.pairs, a.example, a.example_other
    FROM skuscribe.alternative a
    WHERE a.catalogue = of_catalogue AND a.word = lower(of_word)
    ORDER BY a.pairs DESC, a.other
$function$;

COMMENT ON FUNCTION skuscribe.alternatives IS
    'The words that exclude a word in the titles of a catalogue, most frequent first, each with an example.';
