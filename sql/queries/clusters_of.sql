SELECT uid, cluster FROM skuscribe.product WHERE catalogue = %(catalogue)s AND uid = ANY (%(uids)s);
