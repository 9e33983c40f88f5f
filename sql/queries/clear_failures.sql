DELETE FROM skuscribe.failure WHERE job = %(job)s AND scope = %(scope)s AND uid = ANY (%(uids)s);
