SELECT name, sha256 FROM skuscribe.migration ORDER BY name;
