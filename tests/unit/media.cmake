# Pixel code: JPEG, scaling, drawing, the barcode.
troupe_unit_test(test_media SOURCES test_media.c LINK troupe_media)
troupe_unit_test(test_jpeg_file SOURCES test_jpeg_file.c LINK troupe_media)
