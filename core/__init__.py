"""Parts that every room needs: errors, files, boxes, crops, caches, text, intervals, units."""
