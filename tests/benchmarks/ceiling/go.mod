module ceiling

go 1.21
