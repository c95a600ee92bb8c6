"""Parts that every room needs: errors, files, intervals, checksums."""
